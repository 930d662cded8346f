"""Chain-thaw: the order of the phases, their lengths, and what a run is too short for."""

from __future__ import annotations

from tunesmith.core.clock import Span
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.chain_thaw import ChainThaw, thawed


def learning(strategy: ChainThaw, run: Run, step: int) -> list[int]:
    clock = run.clock.at(step)
    return sorted({param.depth for param in run.params.values() if strategy.plan(param, Rule(), clock).learns})


def test_the_head_then_each_layer_alone_then_all(run: Run) -> None:
    strategy = ChainThaw(every=Span(5, "st"))
    order = [learning(strategy, run, step) for step in range(0, 40, 5)]
    assert order == [[4], [0], [1], [2], [3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert learning(strategy, run, 4) == [4]


def test_embeddings_can_stay_as_they_are(run: Run) -> None:
    strategy = ChainThaw(every=Span(5, "st"), embeddings=False)
    assert [learning(strategy, run, step) for step in (0, 5, 10, 15, 20)] == [[4], [1], [2], [3], [1, 2, 3, 4]]


def test_head_layers_and_all_have_a_third_each_when_not_said(run: Run) -> None:
    assert run.clock.total == 40
    assert [learning(ChainThaw(), run, step) for step in (0, 12, 13, 15, 16, 24)] == [[4], [4], [0], [0], [1], [3]]
    assert [learning(ChainThaw(), run, step) for step in (25, 39)] == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]


def test_hand_numbers() -> None:
    assert [thawed(step, 2, 2, 2, True) for step in range(9)] == [3, 3, 0, 0, 1, 1, 2, 2, None]
    assert [thawed(step, 3, 1, 2, False) for step in range(6)] == [3, 3, 3, 1, 2, None]


def test_it_says_what_will_never_learn_together(run: Run, said: list[str]) -> None:
    ChainThaw(every=Span(1, "ep")).begin(run)
    assert "only after 50 steps" in said[0]
    ChainThaw().begin(run)
    assert len(said) == 1
    frozen = run.params["classifier.weight"]
    assert not ChainThaw().plan(frozen, Rule(learns=False), run.clock).learns
