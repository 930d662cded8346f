"""FreeLB against the loop of the paper's algorithm 1, written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.perturb import norms, uniform
from tunesmith.strategies.freelb import FreeLB, ascended

Inner = Callable[[Sequence[Batch]], Loss]
Around = Callable[[Strategy], Inner]
Above = Callable[[Tensor], Tensor]


@pytest.fixture
def batch(batch: Batch) -> Batch:
    """The rows of a step."""
    return replace(batch, micro=0)


@pytest.mark.parametrize(("radius", "step_size", "num_steps"), [(0.3, 0.1, 3), (0.5, 1.0, 2)])
def test_it_follows_algorithm_1(
    run: Run, batch: Batch, around: Around, above: Above, radius: float, step_size: float, num_steps: int
) -> None:
    labels, names = batch.targets["labels"], [name for name, _ in run.model.named_parameters()]
    embedded = run.model.embeddings(batch.inputs["ids"]).detach()
    delta = uniform(embedded, torch.ones(5, 3, 1), radius, run.generator("freelb"))
    total, losses = dict.fromkeys(names, 0.0), []
    for _ in range(num_steps):
        delta = delta.detach().requires_grad_()
        loss = F.cross_entropy(above(run.model.embeddings(batch.inputs["ids"]) + delta), labels)
        *gradients, g = torch.autograd.grad(loss, [*run.model.parameters(), delta])
        total = {name: total[name] + gradient / num_steps for name, gradient in zip(names, gradients, strict=True)}
        losses.append(loss.item())
        moved = [d + step_size * row / row.norm() for d, row in zip(delta.detach(), g, strict=True)]
        delta = torch.stack([d * min(1.0, radius / float(d.norm())) for d in moved])

    strategy = FreeLB(radius, step_size, num_steps)
    strategy.begin(run)
    loss = strategy.gradient([batch], run, around(strategy))
    assert loss.mean.item() == pytest.approx(sum(losses) / num_steps, rel=1e-5)
    for name, gradient in total.items():
        torch.testing.assert_close(run.model.get_parameter(name).grad, gradient, atol=1e-5, rtol=1e-4)


def test_every_pass_has_the_same_dropout_masks(run: Run, batch: Batch, around: Around) -> None:
    """Section 3.3. An adversary that does not move sees the same loss each time."""
    strategy, losses = FreeLB(1e-9, 1e-9, 3), []
    strategy.begin(run)

    def noted(batches: Sequence[Batch]) -> Loss:
        losses.append(around(strategy)(batches))
        return losses[-1]

    strategy.gradient([batch], run, noted)
    assert [loss.sum.item() for loss in losses] == pytest.approx([losses[0].sum.item()] * 3, rel=1e-6)


def test_a_step_stays_within_the_radius() -> None:
    delta, gradient = torch.randn(4, 3, 6), torch.randn(4, 3, 6)
    moved = ascended(delta * 0.01, gradient, step_size=5.0, radius=0.3)
    assert norms(moved).flatten().tolist() == pytest.approx([0.3] * 4)
    torch.testing.assert_close(ascended(delta * 0, gradient, 0.1, 0.3), 0.1 * gradient / norms(gradient))


def test_radius_0_is_one_plain_pass(run: Run, batch: Batch, backward: Inner) -> None:
    strategy, calls = FreeLB(0.0), []
    strategy.begin(run)
    strategy.gradient([batch], run, lambda batches: calls.append(1) or backward(batches))
    assert len(calls) == 1


def test_after_a_failure_nothing_is_perturbed(run: Run, batch: Batch) -> None:
    strategy = FreeLB()
    strategy.begin(run)

    def fails(batches: Sequence[Batch]) -> Loss:
        raise MemoryError

    with pytest.raises(MemoryError):
        strategy.gradient([batch], run, fails)
    loss = Loss(torch.tensor(1.0), 1)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
