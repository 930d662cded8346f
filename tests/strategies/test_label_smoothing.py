"""Label smoothing equals torch's own on classes, and the smoothed targets themselves on labels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.label_smoothing import LabelSmoothing, smoothing_term


def classes(logits: torch.Tensor, targets: torch.Tensor) -> Loss:
    return Loss(F.cross_entropy(logits, targets, reduction="sum"), len(targets), logits, targets)


@pytest.mark.parametrize("strength", [0.05, 0.1, 0.9])
def test_classes_as_in_torch(run: Run, strength: float) -> None:
    logits, targets = torch.randn(9, 4, requires_grad=True), torch.randint(0, 4, (9,))
    ours = LabelSmoothing(strength).loss(None, run, lambda batch: classes(logits, targets)).sum
    torchs = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=strength)
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, torchs)))


def test_labels_as_the_cross_entropy_of_smoothed_targets(run: Run) -> None:
    logits, targets = torch.randn(9, 4), torch.randint(0, 2, (9, 4)).float()

    def total(targets: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1).sum()

    ours = LabelSmoothing(0.2).loss(None, run, lambda batch: Loss(total(targets), 9, logits, targets)).sum
    torch.testing.assert_close(ours, total(0.8 * targets + 0.2 * 0.5))


def test_weights_of_items_weigh_the_whole_term(run: Run) -> None:
    logits, targets, weights = torch.randn(3, 4), torch.tensor([0, 1, 2]), torch.tensor([1.0, 2.0, 0.5])
    plain = F.cross_entropy(logits, targets, reduction="none")
    loss = Loss((plain * weights).sum(), 3.5, logits, targets, weights)
    expected = (F.cross_entropy(logits, targets, reduction="none", label_smoothing=0.1) * weights).sum()
    torch.testing.assert_close(LabelSmoothing(0.1).loss(None, run, lambda batch: loss).sum, expected)


def test_what_other_strategies_added_is_not_scaled(run: Run) -> None:
    logits, targets = torch.randn(3, 4), torch.tensor([0, 1, 2])
    plain = classes(logits, targets)
    with_penalty = LabelSmoothing(0.1).loss(None, run, lambda batch: plain.penalty("other", torch.tensor(2.0)))
    without = LabelSmoothing(0.1).loss(None, run, lambda batch: plain)
    torch.testing.assert_close(with_penalty.sum - without.sum, torch.tensor(6.0))


def test_zero_strength_returns_the_very_loss(run: Run) -> None:
    loss = Loss(torch.tensor(1.0), 1)
    assert LabelSmoothing(0.0).loss(None, run, lambda batch: loss) is loss


def test_numbers_are_refused(run: Run) -> None:
    with pytest.raises(InputError, match="numbers"):
        LabelSmoothing().loss(None, run, lambda batch: Loss(torch.tensor(1.0), 2, torch.zeros(2, 1), torch.zeros(2)))


def test_a_flat_prediction_is_not_changed() -> None:
    assert smoothing_term(torch.ones(2, 5), torch.tensor([0, 3])).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
