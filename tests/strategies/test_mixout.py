"""Mixout against the authors' formula, its expectation, and what is mixed when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.model.dropout import share_kept
from tunesmith.strategies.mixout import Mixout, linear_weights, mixed

Inner = Callable[[Batch], Loss]

MIXED = {f"layers.{layer}.{part}.weight" for layer in range(3) for part in ("attention", "mlp")}


def authors(weight: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, p: float) -> torch.Tensor:
    """``mixout.py`` of github.com/bloodwass/mixout: the mask is 1 where the weight stays."""
    return ((1 - mask) * target + mask * weight - p * target) / (1 - p)


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.9])
def test_it_is_the_authors_formula_for_the_mask_that_was_drawn(rate: float) -> None:
    weight, start = torch.randn(60, 50), torch.randn(60, 50)
    found = mixed(weight, start, rate)
    mask = (found != start).float()
    torch.testing.assert_close(found, authors(weight, start, mask, 1 - share_kept(rate)), atol=1e-4, rtol=1e-4)
    assert float(mask.mean()) == pytest.approx(1 - rate, abs=0.03)


def test_its_expectation_is_the_weight() -> None:
    weight, start = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(torch.stack([mixed(weight, start, 0.5) for _ in range(4000)]).mean(dim=0), weight, atol=0.1, rtol=0.0)


def test_what_is_not_mixed_back_gets_the_gradient_scaled() -> None:
    weight, start = torch.randn(40, requires_grad=True), torch.randn(40)
    found = mixed(weight, start, 0.5)
    found.sum().backward()
    assert torch.equal(weight.grad, (found != start) * 2.0)


def test_linear_layers_below_the_head_are_mixed_in_every_pass(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    assert linear_weights(run) == MIXED
    strategy = Mixout(0.5)
    strategy.begin(run)
    at_start = strategy.loss(batch, run, objective)
    torch.testing.assert_close(at_start.sum, objective(batch).sum)  # w is w(0) still
    with torch.no_grad():
        for w in run.model.parameters():
            w.add_(torch.randn_like(w))
    before = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    first, second = (strategy.loss(batch, run, objective) for _ in range(2))
    assert len({loss.sum.item() for loss in (first, second, objective(batch))}) == 3
    assert all(torch.equal(w, before[name]) for name, w in run.model.named_parameters())
    first.sum.backward()
    for name, w in run.model.named_parameters():
        assert (w.grad == 0).float().mean() > 0.2 or name not in MIXED


def test_memory_survives_a_resume(run: Run, batch: Batch, objective: Inner) -> None:
    strategy, resumed = Mixout(), Mixout()
    strategy.begin(run)
    strategy.loss(batch, run, objective)
    assert strategy.memory()["start"].keys() == MIXED
    with torch.no_grad():
        run.model.layers[0].mlp.weight.add_(1.0)
    resumed.begin(run)
    resumed.recall(strategy.memory())
    losses = []
    for each in (strategy, resumed):
        torch.manual_seed(5)
        losses.append(each.loss(batch, run, objective).sum)
    assert torch.equal(*losses)


def test_a_weight_that_is_unfrozen_late_starts_where_it_stands(run: Run, batch: Batch, objective: Inner) -> None:
    strategy = Mixout()
    strategy.begin(run)
    late = run.model.get_parameter("layers.0.mlp.weight").requires_grad_(False)
    strategy.loss(batch, run, objective)
    assert "layers.0.mlp.weight" not in strategy.start
    late.requires_grad_(True)
    strategy.loss(batch, run, objective)
    torch.testing.assert_close(strategy.start["layers.0.mlp.weight"], late.detach())


def test_rate_0_is_the_plain_pass_and_keeps_nothing(run: Run, batch: Batch) -> None:
    strategy, loss = Mixout(0.0), Loss(torch.tensor(1.0), 1)
    strategy.begin(run)
    assert strategy.loss(batch, run, lambda batch: loss) is loss
    assert strategy.memory() == {"start": {}}


def test_a_model_without_linear_layers_is_refused(run: Run) -> None:
    run.model = nn.Embedding(2, 2)
    with pytest.raises(InputError, match="no linear layer"):
        Mixout().begin(run)
