"""Focal loss against equation 4 of the paper, for classes and for labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.focal import Focal, focal_term

Inner = Callable[[Batch], Loss]


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_classes_follow_equation_4(run: Run, batch: Batch, objective: Inner, gamma: float) -> None:
    run.model.eval()
    loss = Focal(gamma).loss(batch, run, objective)
    p = objective(batch).logits.softmax(dim=1)[torch.arange(5), batch.targets["labels"]]
    torch.testing.assert_close(loss.sum, (-((1 - p) ** gamma) * p.log()).sum())
    assert loss.count == 5


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_labels_follow_the_authors_sigmoid_form(run: Run, gamma: float) -> None:
    logits, targets = torch.randn(6, 3), torch.randint(0, 2, (6, 3)).float()
    plain = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    p_t = p * targets + (1 - p) * (1 - targets)
    expected = (plain * (1 - p_t) ** gamma).mean(dim=1).sum()
    loss = Focal(gamma).loss(None, run, lambda batch: Loss(plain.mean(dim=1).sum(), 6, logits, targets))
    torch.testing.assert_close(loss.sum, expected)


def test_weights_of_items_weigh_the_whole_term(run: Run) -> None:
    logits, targets, weights = torch.randn(3, 4), torch.tensor([0, 1, 2]), torch.tensor([1.0, 2.0, 0.5])
    nll = F.cross_entropy(logits, targets, reduction="none")
    loss = Focal(2.0).loss(None, run, lambda batch: Loss((nll * weights).sum(), 3.5, logits, targets, weights))
    torch.testing.assert_close(loss.sum, (weights * (1 - (-nll).exp()) ** 2 * nll).sum())


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_what_is_certain_has_finite_gradients(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    for targets in (torch.tensor([0, 0]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])):
        (gradient,) = torch.autograd.grad(focal_term(logits, targets, gamma).sum(), logits)
        assert gradient.isfinite().all()


def test_what_other_strategies_added_is_not_scaled(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    without = Focal().loss(batch, run, objective)
    with_penalty = Focal().loss(batch, run, lambda batch: objective(batch).penalty("other", torch.tensor(2.0)))
    torch.testing.assert_close(with_penalty.sum - without.sum, torch.tensor(10.0))


def test_gamma_0_returns_the_very_loss(run: Run) -> None:
    loss = Loss(torch.tensor(1.0), 1)
    assert Focal(0.0).loss(None, run, lambda batch: loss) is loss


def test_numbers_are_refused(run: Run) -> None:
    with pytest.raises(InputError, match="numbers"):
        Focal().loss(None, run, lambda batch: Loss(torch.tensor(1.0), 2, torch.zeros(2, 1), torch.zeros(2)))
