"""Rows that count differently: the weighted mean, what stays as it is, and losses that are not of rows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.model.weighting import row_weighted

LOGITS, TARGETS, WEIGHTS = torch.tensor([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0]]), torch.tensor([0, 1, 0]), torch.tensor([2.0, 0.0, 1.0])


def plain() -> Loss:
    return Loss(F.cross_entropy(LOGITS, TARGETS, reduction="sum"), 3, LOGITS, TARGETS)


def test_the_mean_is_the_weighted_one() -> None:
    loss = row_weighted(plain(), WEIGHTS, "x")
    items = F.cross_entropy(LOGITS, TARGETS, reduction="none")
    torch.testing.assert_close(loss.mean, (2 * items[0] + items[2]) / 3)
    assert loss.count == 3.0


def test_equal_weights_change_no_mean_and_weights_multiply() -> None:
    torch.testing.assert_close(row_weighted(plain(), torch.full((3,), 0.5), "x").mean, plain().mean)
    twice = row_weighted(row_weighted(plain(), WEIGHTS, "x"), WEIGHTS, "x")
    torch.testing.assert_close(twice.weights, WEIGHTS.square())
    torch.testing.assert_close(twice.mean, row_weighted(plain(), WEIGHTS.square(), "x").mean)


def test_a_penalty_stays_as_it_is_in_the_mean() -> None:
    with_it = row_weighted(plain().penalty("other", torch.tensor(7.0)), WEIGHTS, "x")
    torch.testing.assert_close(with_it.mean - row_weighted(plain(), WEIGHTS, "x").mean, torch.tensor(7.0))


def test_a_loss_of_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="x: the loss of this task is not one of rows: 2 rows have 3 answers"):
        row_weighted(plain(), WEIGHTS[:2], "x")
