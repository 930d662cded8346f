"""Fairness: gaps by hand, what they do to a run, and that doing nothing is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.fairness import AMONG, Fairness, decisions, gap

SCORES = torch.tensor([[0.9], [0.5], [0.4], [0.2], [0.6]])
WANTED = torch.tensor([[1.0], [0.0], [1.0], [0.0], [1.0]])
GROUPS = torch.tensor([0, 0, 1, 1, 1])


@pytest.fixture
def batch(batch: Batch) -> Batch:
    """The batch as one of a step."""
    return replace(batch, micro=0)


@pytest.mark.parametrize(
    ("equal", "expected"),
    [
        ("demographic_parity", 0.7 - 0.4),
        ("equal_opportunity", 0.9 - 0.5),
        ("equalised_odds", ((0.9 - 0.5) + (0.5 - 0.2)) / 2),
    ],
)
def test_gaps_by_hand(equal: str, expected: float) -> None:
    assert float(gap(SCORES, AMONG[equal](WANTED), GROUPS)) == pytest.approx(expected)


def test_rows_of_no_group_and_groups_without_such_rows_are_left_out() -> None:
    everyone = [torch.ones(5, 1)]
    assert float(gap(SCORES, everyone, torch.tensor([0, -1, 1, -1, -1]))) == pytest.approx(0.5)
    assert gap(SCORES, everyone, torch.tensor([1, 1, 1, -1, 1])) is None
    assert gap(SCORES, everyone, torch.full((5,), -1)) is None
    assert gap(SCORES, [WANTED], torch.tensor([0, 1, 0, 1, 0])) is None  # none of group 1 has the label
    three = float(gap(SCORES, everyone, torch.tensor([0, 0, 1, 2, 2])))
    assert three == pytest.approx((abs(0.7 - 0.4) + abs(0.7 - 0.4) + 0) / 3)


def test_decisions_are_likelihoods_of_labels() -> None:
    scores, wanted = decisions(torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]]), torch.tensor([1, 0]))
    torch.testing.assert_close(scores, torch.tensor([[0.75], [0.5]]))
    assert wanted.tolist() == [[1.0], [0.0]]
    assert decisions(torch.zeros(2, 3), torch.tensor([2, 0]))[1].tolist() == [[0, 0, 1], [1, 0, 0]]
    targets = torch.tensor([[1.0, 0.0]])
    scores, wanted = decisions(torch.zeros(1, 2), targets)
    assert (scores.tolist(), wanted is targets) == ([[0.5, 0.5]], True)
    with pytest.raises(InputError, match="are no labels"):
        decisions(torch.zeros(2, 1), torch.zeros(2))


def test_the_gap_is_added_to_the_mean_loss_and_falls(run: Run, batch: Batch, objective: Callable[[Batch], Loss]) -> None:
    run.train = [{"row": row, "group": row % 2} for row in range(5)]
    run.model.eval()
    strategy = Fairness(strength=2.0, equal="demographic_parity")
    strategy.begin(run)
    plain, found = objective(batch), strategy.loss(batch, run, objective)
    scores, wanted = decisions(plain.logits, plain.targets)
    expected = gap(scores, AMONG["demographic_parity"](wanted), torch.tensor([0, 1, 0, 1, 0]))
    torch.testing.assert_close(found.mean, plain.mean + 2 * expected)
    optimizer = torch.optim.SGD(run.model.parameters(), 0.5)
    for _ in range(60):
        optimizer.zero_grad()
        loss = strategy.loss(batch, run, objective)
        loss.parts["fairness"].item()
        (loss.sum - objective(batch).sum).backward()
        optimizer.step()
    assert float(strategy.loss(batch, run, objective).parts["fairness"]) < 0.5 * float(found.parts["fairness"])


def test_that_nothing_was_done_is_counted_and_told(run: Run, batch: Batch, objective: Callable[[Batch], Loss], said: list[str]) -> None:
    run.train = [{"row": row, "group": int(row > 4)} for row in range(9)]
    strategy = Fairness()
    strategy.begin(run)
    for step in range(10):
        run.clock = run.clock.at(step)
        plain = objective(batch)
        assert strategy.loss(batch, run, lambda batch, plain=plain: plain) is plain
        strategy.step(run, lambda: None)
    assert (strategy.looked, strategy.alone) == (10, 10)
    assert said[-1].startswith("fairness: nothing was done in 10 micro-batches, as none held two groups to compare")
    assert len(said) == 1


def test_a_run_with_groups() -> None:
    fitted = tiny_fit(None, [strategy := Fairness()], steps=2)
    assert strategy.looked > strategy.alone
    assert fitted.run.clock.step == 2
