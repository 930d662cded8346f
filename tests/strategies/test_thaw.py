"""Thaw: groups join when validation stalls, at evaluations alone, and it says so."""

from __future__ import annotations

import pytest

from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.thaw import Thaw, stalled


def judge(strategy: Thaw, run: Run, value: float) -> list[int]:
    """An evaluation; the depths that learn from then on."""
    with strategy.finished(run):
        run.evaluations.append({"accuracy": value, "step": 1})
    return sorted({param.depth for param in run.params.values() if strategy.plan(param, Rule(), run.clock).learns})


def test_the_next_group_joins_when_evaluations_stall(run: Run, said: list[str]) -> None:
    strategy = Thaw()
    found = [judge(strategy, run, value) for value in (0.5, 0.6, 0.6, 0.7, 0.65, 0.8, 0.7, 0.7)]
    assert found == [[4], [4], [3, 4], [3, 4], [2, 3, 4], [2, 3, 4], [1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert "all from layer 3 up" in said[0]
    assert "all from the embeddings up" in said[-1]
    judge(strategy, run, 0.1)
    assert len(said) == 4, "nothing is left to thaw"


def test_groups_patience_and_embeddings(run: Run) -> None:
    strategy = Thaw(patience=2, layers=2, embeddings=False)
    assert [judge(strategy, run, 0.5) for _ in range(5)] == [[4], [4], [2, 3, 4], [2, 3, 4], [1, 2, 3, 4]]


def test_shipping_decides_nothing(run: Run, said: list[str]) -> None:
    strategy = Thaw()
    with strategy.finished(run):
        pass
    assert said == []
    judge(strategy, run, 0.5)
    before = strategy.memory()
    with strategy.finished(run):
        pass
    assert strategy.memory() == before


@pytest.mark.parametrize(
    ("values", "patience", "expected"),
    [
        *(([], 1, False), ([0.5], 1, False), ([0.5, 0.5], 1, True), ([0.5, 0.6], 1, False)),
        *(([0.5, 0.4, 0.6], 2, False), ([0.7, 0.4, 0.6], 2, True)),
    ],
)
def test_stalled(values: list[float], patience: int, expected: bool) -> None:
    assert stalled(values, True, patience) == expected
    assert stalled([-value for value in values], False, patience) == expected
