"""Seeds, random numbers and the state of a live run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.forward import Forward
from tunesmith.core.run import Run, best_index, seed_of


class Judged:
    """A task that is only a metric and its direction."""

    def __init__(self, primary: str, higher_is_better: bool) -> None:
        self.primary, self.higher_is_better = primary, higher_is_better


def run(step: int = 0, micro: int = 0, seed: int = 0, task: Any = None) -> Run:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    return Run(model, task, Forward(model), Clock(step, 10, 5), torch.device("cpu"), seed, lambda line: None, micro=micro)


def test_seeds_are_the_same_for_ever() -> None:
    # In every process and on every machine: a seed that changes makes every run of the past unrepeatable.
    assert seed_of() == 8203414616412130826
    assert seed_of(0) == 3456079177858693020
    assert seed_of(0, "step", 17, 3) == 792689586473731393
    assert seed_of("größe") == 7613846664397445119


@given(st.lists(st.integers() | st.text(), max_size=4), st.lists(st.integers() | st.text(), max_size=4))
def test_seeds_fit_a_generator_and_differ_with_their_parts(first: list[Any], second: list[Any]) -> None:
    assert 0 <= seed_of(*first) < 2**63
    if "\x1f".join(map(str, first)) != "\x1f".join(map(str, second)):
        assert seed_of(*first) != seed_of(*second)


def test_what_learns_is_what_has_gradients_in_the_model_s_order() -> None:
    live = run()
    list(live.model.parameters())[1].requires_grad = False
    assert list(live.learning()) == ["0.weight", "1.weight", "1.bias"]


def test_what_only_training_needs_is_let_go() -> None:
    live = run()
    live.snapshot = lambda: {"optimizer": "large"}
    live.model(torch.ones(1, 2)).sum().backward()
    live.let_go()
    assert live.snapshot() == {}
    assert all(parameter.grad is None for parameter in live.model.parameters())


def test_random_numbers_depend_on_seed_name_step_and_micro_batch_alone() -> None:
    def drawn(live: Run, name: str = "mask") -> list[float]:
        return torch.rand(3, generator=live.generator(name)).tolist()

    assert drawn(run(step=4, micro=1)) == drawn(run(step=4, micro=1))
    others = [drawn(run(step=5, micro=1)), drawn(run(step=4, micro=2)), drawn(run(4, 1, seed=1)), drawn(run(4, 1), "noise")]
    assert drawn(run(step=4, micro=1)) not in others


@pytest.mark.parametrize(
    ("scores", "higher", "patience", "improved"),
    [
        ([], True, 1, True),
        ([0.5], True, 1, True),
        ([0.5, 0.6], True, 1, True),
        ([0.6, 0.5], True, 1, False),
        ([0.6, 0.5], True, 2, True),
        ([0.6, 0.6], True, 1, False),
        ([0.5, 0.6], False, 1, False),
        ([0.7, 0.6, 0.5], False, 1, True),
    ],
)
def test_a_run_improves_while_its_best_score_is_recent(scores: list[float], higher: bool, patience: int, improved: bool) -> None:
    live = run(task=Judged("accuracy", higher))
    live.evaluations = [{"step": step, "accuracy": score} for step, score in enumerate(scores)]
    assert live.improved(patience) is improved


@pytest.mark.parametrize(
    ("scores", "loss"),
    [({"accuracy": 1.0}, float("inf")), ({"accuracy": 1.0, "loss": 3, "log_loss": 2.5}, 2.5), ({"pearson": 0.5, "mse": 0.25}, 0.25)],
)
def test_the_validation_loss_is_whatever_the_task_has_of_one(scores: dict[str, float], loss: float) -> None:
    live = run()
    live.evaluations = [{"step": 1, "log_loss": 9.0}, {"step": 2, **scores}]
    assert live.validation_loss() == loss


def test_the_first_of_equal_scores_is_the_best() -> None:
    assert best_index([0.1, 0.9, 0.9], higher_is_better=True) == 1
    assert best_index([0.3, 0.1, 0.1], higher_is_better=False) == 1
