"""Gradient noise: the variance of equation 1, drawn anew at each step and alike on every rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.gradient_noise import GradientNoise, variance

Inner = Callable[[Sequence[Batch]], Loss]


def noise(strategy: GradientNoise, run: Run, batch: Batch, backward: Inner) -> torch.Tensor:
    """What is added to all gradients together."""
    backward([batch])
    plain = torch.cat([w.grad.flatten() for w in run.model.parameters()])
    strategy.gradient([batch], run, backward)
    return torch.cat([w.grad.flatten() for w in run.model.parameters()]) - plain


@pytest.mark.parametrize(("step", "expected"), [(0, 0.3), (1, 0.3 / 2**0.55), (99, 0.3 / 100**0.55)])
def test_its_size_is_that_of_equation_1(run: Run, batch: Batch, backward: Inner, step: int, expected: float) -> None:
    run.clock = run.clock.at(step)
    found = noise(GradientNoise(0.3), run, batch, backward)
    assert variance(0.3, 0.55, step) == pytest.approx(expected)
    assert float(found.square().mean()) == pytest.approx(expected, rel=0.2)
    assert float(found.mean()) == pytest.approx(0, abs=4 * (expected / len(found)) ** 0.5)


def test_it_is_a_function_of_seed_and_step_alone(run: Run, batch: Batch, backward: Inner) -> None:
    strategy = GradientNoise(0.3)
    first = noise(strategy, run, batch, backward)
    run.micro = 5  # another rank
    torch.testing.assert_close(noise(strategy, run, batch, backward), first)
    run.clock = run.clock.at(1)
    assert not torch.allclose(noise(strategy, run, batch, backward), first * 2**-0.275)


def test_frozen_weights_get_none(run: Run, batch: Batch, backward: Inner) -> None:
    run.model.embeddings.requires_grad_(False)
    GradientNoise(0.3).gradient([batch], run, backward)
    assert run.model.embeddings.weight.grad is None


def test_eta_0_leaves_the_gradient_to_the_bit(run: Run, batch: Batch, backward: Inner) -> None:
    assert not noise(GradientNoise(0.0), run, batch, backward).any()
