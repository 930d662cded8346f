"""R-Drop: the composed loss, and what happens without dropout."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.model.divergence import symmetric_kl
from tunesmith.strategies.r_drop import RDrop

Inner = Callable[[Batch], Loss]


def test_the_loss_is_the_mean_of_both_passes_and_their_weighted_divergence(run: Run) -> None:
    labels, weights = torch.tensor([0, 1, 1]), torch.tensor([1.0, 2.0, 2.0])
    passes = [Loss(torch.tensor(total), 5.0, torch.randn(3, 2), labels, weights, {"kl": torch.tensor(total)}) for total in (3.0, 4.0)]
    calls = iter(passes)
    loss = RDrop(strength=0.7).loss(None, run, lambda batch: next(calls))
    expected = 0.7 * (weights * symmetric_kl(passes[0].logits, passes[1].logits)).sum()
    assert loss.count == 5.0
    torch.testing.assert_close(loss.sum, 3.5 + expected)
    torch.testing.assert_close(loss.parts["r_drop"], expected)
    assert float(loss.parts["kl"]) == 3.5


def test_two_masks_differ_and_gradients_flow_through_both_passes(run: Run, batch: Batch, objective: Inner) -> None:
    seen: list[Loss] = []

    def inner(batch: Batch) -> Loss:
        seen.append(objective(batch))
        return seen[-1]

    loss = RDrop().loss(batch, run, inner)
    assert not torch.equal(seen[0].logits, seen[1].logits)
    assert float(loss.parts["r_drop"]) > 0
    grads = torch.autograd.grad(loss.parts["r_drop"] * 0 + loss.sum, [seen[0].logits, seen[1].logits])
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_zero_strength_runs_one_pass_and_returns_it(run: Run, batch: Batch, objective: Inner) -> None:
    loss = objective(batch)
    calls: list[Batch] = []
    assert RDrop(strength=0.0).loss(batch, run, lambda batch: calls.append(batch) or loss) is loss
    assert len(calls) == 1


def test_a_model_without_dropout_is_told_once(run: Run, batch: Batch, objective: Inner, said: list[str]) -> None:
    run.model.eval()
    RDrop().loss(batch, run, objective)
    run.clock = run.clock.at(1)
    RDrop().loss(batch, run, objective)
    assert [("no dropout" in message) for message in said] == [True]
