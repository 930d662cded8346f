"""How hard a row is for a model, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tunesmith.core.loss import Loss
from tunesmith.model.difficulty import MEASURES, doubt


def loss_of(logits: list[list[float]], targets: torch.Tensor) -> Loss:
    return Loss(torch.tensor(3.0), 2, torch.tensor(logits), targets)


def test_doubt_is_what_the_truth_lacks_of_certainty() -> None:
    assert doubt(loss_of([[0.0, math.log(3)]], torch.tensor([1]))) == pytest.approx(0.25)
    tokens = loss_of([[0.0, math.log(3)], [0.0, 0.0]], torch.tensor([1, 0]))
    assert doubt(tokens) == pytest.approx((0.25 + 0.5) / 2)


def test_of_several_labels_the_one_that_fits_least_counts() -> None:
    assert doubt(loss_of([[math.log(3), math.log(4)]], torch.tensor([[1.0, 0.0]]))) == pytest.approx(0.8)


def test_loss_and_perplexity_order_alike() -> None:
    loss = loss_of([[0.0, 0.0]], torch.tensor([1]))
    assert MEASURES["loss"](loss) == MEASURES["perplexity"](loss) == 1.5
