"""Dropout: its share, its mean, its independence, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunesmith.model.dropout import Dropout, dropout, replace_dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_share_and_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1001)
    out = dropout(x, p)
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=3e-3)
    assert float(out.mean()) == pytest.approx(1.0, abs=1e-2)
    assert len(out.unique()) == 2


def test_dropout_is_independent_along_both_axes() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(512, 512), 0.5) > 0).float() - 0.5
    for axis in (0, 1):
        for distance in (1, 2, 3, 4, 8):
            assert abs(float((kept * kept.roll(distance, axis)).mean())) < 4e-3


def test_dropout_repeats_with_the_seed_and_passes_gradients() -> None:
    x = torch.ones(7, 9, requires_grad=True)
    torch.manual_seed(3)
    first = dropout(x, 0.3)
    torch.manual_seed(3)
    assert first.equal(dropout(x, 0.3))
    first.sum().backward()
    assert x.grad is not None
    assert x.grad.equal(first.detach())


def test_dropout_does_nothing_where_it_should_not() -> None:
    x = torch.randn(5)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x
    assert dropout(x, 1.0).equal(torch.zeros(5))
    assert dropout(torch.ones(3, dtype=torch.bfloat16), 0.1).dtype == torch.bfloat16


def test_every_plain_dropout_is_replaced_and_nothing_else() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2), nn.Sequential(nn.Dropout(0.3), nn.Dropout1d(0.1))).eval()
    assert replace_dropout(model) == 2
    kinds = [type(part) for part in model.modules()]
    assert kinds.count(Dropout) == 2
    assert nn.Dropout1d in kinds
    assert isinstance(model[1], Dropout)
    assert (model[1].p, model[1].training) == (0.2, False)
