"""MAML against the pseudo-code of the paper on a linear model."""

from __future__ import annotations

import pytest
import torch

from linear import gradient, linear
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.strategies.maml import MAML


def test_it_is_the_pseudo_code_of_the_paper() -> None:
    """For each task: theta' = theta - alpha grad L_support(theta); theta <- theta - beta (1/n) sum grad L_query(theta')."""
    model, run, inner, batch = linear()
    x, y = batch.inputs["x"], batch.targets["y"]
    alpha, beta, num_steps = 0.05, 0.1, 2
    strategy = MAML(num_steps=num_steps, rate=alpha, by="group")
    strategy.begin(run)
    theta = [w.detach().clone() for w in model.parameters()]
    for _ in range(3):
        found = []
        for group in (0, 1):
            w, b = theta
            support, query = (torch.arange(8)[group::2][half::2] for half in (0, 1))
            for _ in range(num_steps):
                gw, gb = gradient(x[support], y[support], w, b)
                w, b = w - alpha * gw, b - alpha * gb
            found.append(gradient(x[query], y[query], w, b))
        theta = [start - beta * (one + other) / 2 for start, one, other in zip(theta, *found, strict=True)]
        strategy.gradient([batch], run, inner)
        with torch.no_grad():
            for weight in model.parameters():
                weight -= beta * weight.grad
        for weight, wanted in zip(model.parameters(), theta, strict=True):
            torch.testing.assert_close(weight.detach(), wanted)


def test_to_second_order_it_is_the_gradient_through_the_steps() -> None:
    model, run, inner, batch = linear()
    x, y = batch.inputs["x"], batch.targets["y"]
    alpha, num_steps = 0.05, 3
    strategy = MAML(num_steps=num_steps, rate=alpha, by="group", order=2)
    strategy.begin(run)
    weight, bias = (w.detach().clone().requires_grad_() for w in model.parameters())
    losses = []
    for group in (0, 1):
        support, query = (torch.arange(8)[group::2][half::2] for half in (0, 1))
        w, b = weight, bias
        for _ in range(num_steps):
            loss = (x[support] @ w[0] + b - y[support]).square().mean()
            gw, gb = torch.autograd.grad(loss, (w, b), create_graph=True)
            w, b = w - alpha * gw, b - alpha * gb
        losses.append((x[query] @ w[0] + b - y[query]).square().mean())
    wanted = torch.autograd.grad(torch.stack(losses).mean(), (weight, bias))
    strategy.gradient([batch], run, inner)
    for own, right in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(own.grad, right)
        assert own.grad is not None


def test_the_second_order_wants_exact_gradients() -> None:
    fit = tiny_fit(None, [MAML(by="group", order=2)], steps=2, precision="float32")
    assert fit.run.clock.step == 2
    with pytest.raises(InputError, match=r"too coarse.*training.precision: float32"):
        tiny_fit(None, [MAML(by="group", order=2)], steps=2, precision="bfloat16")


def test_an_episode_of_one_row_is_both_halves() -> None:
    model, run, inner, batch = linear()
    run.train = [{"row": row, "group": int(row == 7)} for row in range(8)]
    strategy = MAML(rate=0.05, by="group")
    strategy.begin(run)
    before = model.weight.detach().clone()
    strategy.gradient([batch], run, inner)
    assert torch.equal(model.weight.detach(), before)
    assert bool(model.weight.grad.isfinite().all())


def test_a_real_run() -> None:
    assert tiny_fit(None, [MAML(by="group")], steps=2).run.clock.step == 2
