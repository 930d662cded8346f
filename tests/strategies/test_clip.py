"""Clipping: the values of the formula, the common norm of all weights, and both limits together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.clip import Clip

Inner = Callable[[Sequence[Batch]], Loss]


def clipped(strategy: Clip, run: Run, batch: Batch, backward: Inner) -> tuple[torch.Tensor, torch.Tensor]:
    """All gradients as one vector: before and after."""
    backward([batch])
    before = torch.cat([w.grad.flatten() for w in run.model.parameters()])
    strategy.gradient([batch], run, backward)
    return before, torch.cat([w.grad.flatten() for w in run.model.parameters()])


def test_a_long_gradient_is_scaled_to_the_limit(run: Run, batch: Batch, backward: Inner) -> None:
    before, after = clipped(Clip(norm=0.01), run, batch, backward)
    torch.testing.assert_close(after, before * 0.01 / before.norm(), atol=1e-8, rtol=1e-4)
    assert float(after.norm()) <= 0.01


def test_a_short_gradient_stays_as_it_is(run: Run, batch: Batch, backward: Inner) -> None:
    before, after = clipped(Clip(norm=1e6), run, batch, backward)
    assert torch.equal(before, after)


def test_by_value(run: Run, batch: Batch, backward: Inner) -> None:
    before, after = clipped(Clip(value=0.01), run, batch, backward)
    assert torch.equal(after, before.clamp(-0.01, 0.01))
    assert not torch.equal(after, before)


def test_both_by_value_first(run: Run, batch: Batch, backward: Inner) -> None:
    before, after = clipped(Clip(norm=0.02, value=0.01), run, batch, backward)
    cut = before.clamp(-0.01, 0.01)
    torch.testing.assert_close(after, cut * min(1.0, 0.02 / float(cut.norm())), atol=1e-8, rtol=1e-4)


def test_what_is_frozen_does_not_count(run: Run, batch: Batch, backward: Inner) -> None:
    run.model.embeddings.requires_grad_(False)
    Clip(norm=0.01).gradient([batch], run, backward)
    assert float(torch.cat([w.grad.flatten() for w in run.learning().values()]).norm()) == pytest.approx(0.01, rel=1e-3)


def test_without_a_limit_the_norm_is_1(run: Run, batch: Batch, backward: Inner) -> None:
    def large(batches: Sequence[Batch]) -> Loss:
        loss = backward(batches)
        for w in run.model.parameters():
            w.grad.mul_(1e3)
        return loss

    _, after = clipped(Clip(), run, batch, large)
    assert float(after.norm()) == pytest.approx(1.0, rel=1e-4)
