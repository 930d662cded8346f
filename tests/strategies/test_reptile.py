"""Reptile against the pseudo-code of the paper on a linear model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from linear import gradient, linear
from training import mixed_fit, tiny_fit
from tunesmith.strategies.reptile import Reptile


def test_it_is_the_pseudo_code_of_the_paper() -> None:
    """For each task: phi' = k steps of SGD from phi; phi <- phi + epsilon (1/n) sum (phi' - phi)."""
    model, run, inner, batch = linear()
    x, y = batch.inputs["x"], batch.targets["y"]
    alpha, k, epsilon = 0.05, 2, 0.3
    strategy = Reptile(num_steps=k, rate=alpha, by="group")
    strategy.begin(run)
    phi = [w.detach().clone() for w in model.parameters()]
    for _ in range(3):
        ways = []
        for group in (0, 1):
            w, b = phi
            mine = torch.arange(8)[group::2]
            for step in range(k):
                part = mine[step::k]
                gw, gb = gradient(x[part], y[part], w, b)
                w, b = w - alpha * gw, b - alpha * gb
            ways.append((w - phi[0], b - phi[1]))
        phi = [start + epsilon * (one + other) / 2 for start, one, other in zip(phi, *ways, strict=True)]
        loss = strategy.gradient([batch], run, inner)
        assert loss.count == 8
        with torch.no_grad():
            for weight in model.parameters():
                weight -= epsilon * alpha * k * weight.grad  # the outer optimizer: plain descent
        for weight, wanted in zip(model.parameters(), phi, strict=True):
            torch.testing.assert_close(weight.detach(), wanted)


def test_one_step_on_all_rows_is_plain_training() -> None:
    model, run, inner, batch = linear()
    strategy = Reptile(num_steps=1)
    strategy.begin(run)
    inner([batch])
    wanted = model.weight.grad.clone()
    strategy.gradient([batch], run, inner)
    assert torch.equal(model.weight.grad, wanted)


@pytest.mark.parametrize("fit", [tiny_fit, mixed_fit])
def test_real_runs(fit: Any) -> None:
    by = "group" if fit is tiny_fit else "task"
    assert fit(None, [Reptile(num_steps=2, by=by)], steps=2).run.clock.step == 2
