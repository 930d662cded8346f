"""Divergences and losses of items against torch.distributions and torch's own losses, by the kind of the targets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Categorical, Distribution, Normal, kl_divergence

from tunesmith.core.errors import TunesmithError
from tunesmith.core.loss import Loss
from tunesmith.model.divergence import divergence, item_losses, kind_of, scores, symmetric_divergence, weighted

CLASSES, LABELS, NUMBERS = torch.tensor([0, 1, 4, 4, 2, 0, 1]), torch.randint(0, 2, (7, 5)).float(), torch.randn(7)


def predicted(kind: str, logits: torch.Tensor) -> Distribution:
    made = {
        "classes": lambda: Categorical(logits=logits),
        "labels": lambda: Bernoulli(logits=logits),
        # -log N(y; mean, variance 1/2) is the squared error and a constant
        "numbers": lambda: Normal(logits[:, 0], 0.5**0.5),
    }
    return made[kind]()


def reference(kind: str, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    each = kl_divergence(predicted(kind, p), predicted(kind, q))
    return each.mean(dim=1) if kind == "labels" else each


@pytest.mark.parametrize(("kind", "targets", "width"), [("classes", CLASSES, 5), ("labels", LABELS, 5), ("numbers", NUMBERS, 1)])
def test_divergences_are_those_of_the_distributions(kind: str, targets: torch.Tensor, width: int) -> None:
    p, q = torch.randn(7, width), torch.randn(7, width)
    assert kind_of(targets) == kind
    torch.testing.assert_close(divergence(p, q, targets), reference(kind, p, q))
    torch.testing.assert_close(symmetric_divergence(p, q, targets), (reference(kind, p, q) + reference(kind, q, p)) / 2)


@pytest.mark.parametrize("targets", [CLASSES, LABELS])
@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_extreme_logits_give_finite_numbers(targets: torch.Tensor, scale: float) -> None:
    p, q = (torch.randn(7, 5) * scale for _ in range(2))
    p.requires_grad_()
    for measure in (divergence, symmetric_divergence):
        value = measure(p, q, targets)
        (gradient,) = torch.autograd.grad(value.sum(), p)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


def test_losses_of_items_are_those_of_torch() -> None:
    logits, number = torch.randn(7, 5), torch.randn(7, 1)
    torch.testing.assert_close(item_losses(logits, CLASSES).sum(), F.cross_entropy(logits, CLASSES, reduction="sum"))
    torch.testing.assert_close(item_losses(logits, LABELS).mean(), F.binary_cross_entropy_with_logits(logits, LABELS))
    torch.testing.assert_close(item_losses(number, NUMBERS).mean(), F.mse_loss(number[:, 0], NUMBERS))


def test_items_have_their_weights() -> None:
    plain = Loss(torch.tensor(0.0), 2)
    assert float(weighted(torch.tensor([1.0, 2.0]), plain)) == 3
    assert float(weighted(torch.tensor([1.0, 2.0]), Loss(plain.sum, 4, weights=torch.tensor([1.0, 3.0])))) == 7


def test_a_loss_without_logits_is_a_fault_of_the_task() -> None:
    with pytest.raises(TunesmithError, match="smart: the task offers logits"):
        scores(Loss(torch.tensor(0.0), 2), "smart")
