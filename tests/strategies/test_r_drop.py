"""R-Drop: divergences against torch.distributions, the composed loss, and what happens without dropout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.r_drop import RDrop, divergence, symmetric_bernoulli_kl, symmetric_kl

Inner = Callable[[Batch], Loss]


def symmetric(p: torch.distributions.Distribution, q: torch.distributions.Distribution) -> torch.Tensor:
    return (kl_divergence(p, q) + kl_divergence(q, p)) / 2


def test_the_divergence_of_classes() -> None:
    p, q = torch.randn(7, 5), torch.randn(7, 5)
    torch.testing.assert_close(symmetric_kl(p, q), symmetric(Categorical(logits=p), Categorical(logits=q)))


def test_the_divergence_of_labels() -> None:
    p, q = torch.randn(7, 5), torch.randn(7, 5)
    torch.testing.assert_close(symmetric_bernoulli_kl(p, q), symmetric(Bernoulli(logits=p), Bernoulli(logits=q)).mean(dim=1))


def test_the_divergence_of_numbers_is_that_of_the_normal_distribution_behind_the_squared_error() -> None:
    p, q = torch.randn(7, 1), torch.randn(7, 1)
    losses = [Loss(torch.zeros(()), 7, logits, torch.zeros(7)) for logits in (p, q)]
    # -log N(y; mean, variance 1/2) is the squared error and a constant.
    torch.testing.assert_close(divergence(*losses), symmetric(Normal(p[:, 0], 0.5**0.5), Normal(q[:, 0], 0.5**0.5)))


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_extreme_logits_give_finite_numbers(scale: float) -> None:
    p, q = torch.randn(7, 5) * scale, torch.randn(7, 5) * scale
    assert symmetric_kl(p, q).isfinite().all()
    assert symmetric_bernoulli_kl(p, q).isfinite().all()


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
