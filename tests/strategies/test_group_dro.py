"""Group DRO against the paper's algorithm on a toy model, step by step; and what a group weighs where batches are uneven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.engine.events import read_events
from tunesmith.strategies.group_dro import GroupDRO, moved, row_weights


@pytest.fixture
def batch(batch: Batch) -> Batch:
    """The batch as one of a step."""
    return replace(batch, micro=0)


def test_rows_share_the_weight_of_their_group_and_count_once_on_average() -> None:
    found = row_weights(torch.tensor([0.5, 0.2, 0.3]), torch.tensor([4.0, 1.0, 0.0]))
    torch.testing.assert_close(found[:2], torch.tensor([0.5 / 0.7 * 5 / 4, 0.2 / 0.7 * 5 / 1]))
    assert float(found[0] * 4 + found[1]) == pytest.approx(5)
    assert row_weights(torch.tensor([0.5, 0.5]), torch.zeros(2)).tolist() == [0, 0]


def test_weights_move_as_in_the_paper() -> None:
    weights, losses = torch.tensor([0.25, 0.25, 0.5]), torch.tensor([[4.0, 2.0], [0.0, 0.0], [1.0, 1.0]])
    expected = weights * torch.exp(0.1 * torch.tensor([2.0 + 0.5, 0.0, 1.0 + 0.2]))
    torch.testing.assert_close(moved(weights, losses, 0.1, torch.tensor([0.5, 9.0, 0.2])), expected / expected.sum())


def test_a_run_is_that_of_the_pseudo_code(run: Run, batch: Batch, objective: Callable[[Batch], Loss]) -> None:
    """q_g <- q_g exp(eta L_g), scaled; w <- w - rate * sum_g q_g grad L_g, in micro-batches here and on all rows there."""
    run.model.eval()
    groups = torch.tensor([0, 0, 1, 0, 1])
    run.train = [{"row": row, "group": int(group)} for row, group in enumerate(groups)]
    strategy = GroupDRO(rate=0.3, by="group")
    strategy.begin(run)
    micro = [
        Batch({"ids": batch.inputs["ids"][part]}, {"labels": batch.targets["labels"][part]}, batch.rows[part], 9, micro=0)
        for part in ([0, 2, 3], [1, 4])
    ]

    def backward(batches: list[Batch]) -> Loss:
        run.model.zero_grad()
        losses = [strategy.loss(one, run, objective) for one in batches]
        sum(loss.sum for loss in losses).backward()
        for weight in run.model.parameters():
            weight.grad /= sum(loss.count for loss in losses)
        return losses[0]

    q = torch.tensor([0.5, 0.5])
    for step in range(3):
        run.clock = run.clock.at(step)
        logits = run.model(batch.inputs["ids"])
        each = F.cross_entropy(logits, batch.targets["labels"], reduction="none")
        means = torch.stack([each[groups == group].mean() for group in (0, 1)])
        expected = torch.autograd.grad((q * means).sum(), list(run.model.parameters()))
        strategy.gradient(micro, run, backward)
        for weight, wanted in zip(run.model.parameters(), expected, strict=True):
            torch.testing.assert_close(weight.grad, wanted)
        q = q * torch.exp(0.3 * means.detach())
        q = q / q.sum()

        def update() -> None:
            with torch.no_grad():
                for weight in run.model.parameters():
                    weight -= 0.1 * weight.grad

        strategy.step(run, update)
        torch.testing.assert_close(strategy.weights, q)


def test_a_class_within_a_group_is_weighed_and_cells_without_rows_are_not(run: Run, said: list[str]) -> None:
    run.train = [{"row": row, "group": group, "label": label} for row, (group, label) in enumerate([(0, 0), (0, 1), (1, 1), (1, 1)])]
    run.task, run.clock = SimpleNamespace(labels=["bad", "good"]), run.clock.at(run.clock.total - 1)
    strategy = GroupDRO()
    strategy.begin(run)
    assert strategy._groups.tolist() == [0, 2, 3, 3]
    assert strategy.weights.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    strategy._losses = torch.tensor([[0.0, 1.0], [0.0, 0.0], [300.0, 1.0], [0.0, 2.0]])
    strategy.step(run, lambda: None)
    assert strategy.weights[1] == 0
    assert said[-1].endswith("the largest first: good in 0 90.9%, good in 1 4.5%, bad in 0 4.5%")


def test_rows_from_elsewhere_count_once(run: Run, batch: Batch, objective: Callable[[Batch], Loss]) -> None:
    run.train = [{"row": row, "group": row % 2} for row in range(5)]
    strategy = GroupDRO(by="group")
    strategy.begin(run)
    other = Batch(batch.inputs, batch.targets, torch.full((5,), -1), 15, micro=0)
    plain = objective(other)
    found = strategy.gradient([other], run, lambda batches: strategy.loss(batches[0], run, lambda batch: plain))
    torch.testing.assert_close(found.sum, plain.sum)
    strategy.step(run, lambda: None)
    assert strategy.weights.tolist() == [0.5, 0.5]


def test_it_says_what_groups_weigh_in_the_end(tmp_path: Path) -> None:
    strategy = GroupDRO(rate=0.5, by="group")
    tiny_fit(tmp_path, [strategy], steps=2)
    said = [event["text"] for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say"]
    heaviest = int(strategy.weights.argmax())
    assert f"the largest first: {heaviest} {float(strategy.weights.max()):.1%}, {1 - heaviest} " in said[-1]
    assert float(strategy.weights.sum()) == pytest.approx(1)
    assert strategy.weights.tolist() != [0.5, 0.5]
