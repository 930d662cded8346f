"""Dropout: its share, its mean, its independence, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunesmith.model.dropout import Dropout, dropout, hashed, keep, masked, replace_dropout, share_kept


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
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


@pytest.mark.parametrize(("p", "kept"), [(0.1, 1 - 26 / 256), (0.001, 1 - 66 / 65536), (0.5, 0.5), (0.0, 1.0), (1.0, 0.0)])
def test_a_byte_serves_where_it_is_close(p: float, kept: float) -> None:
    assert share_kept(p) == kept
    torch.manual_seed(0)
    mask = keep(torch.Size((2000, 1000)), p)
    assert set(mask.unique().tolist()) <= {-1, 0}
    assert float(-mask.double().mean()) == pytest.approx(kept, abs=5 * (kept * (1 - kept) / 2e6) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_mask_multiplies_by_nothing_or_the_scale(dtype: torch.dtype) -> None:
    x, mask = torch.randn(3, 5, 4).to(dtype).requires_grad_(), keep(torch.Size((3, 4, 5)), 0.4)
    out = masked(x.transpose(1, 2), mask, 2.0)
    assert out.equal(x.transpose(1, 2) * -2 * mask.to(dtype))
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.equal((-2 * mask.to(dtype)).transpose(1, 2))


def test_the_hash_is_uniform_and_its_calls_are_independent() -> None:
    torch.manual_seed(0)
    one, other = (hashed(1 << 18).view(torch.uint8).double() for _ in range(2))
    counts = torch.bincount(one.long(), minlength=256)
    expected = len(one) / 256
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert 170 < chi_square < 350  # of 255 degrees of freedom: mean 255, deviation 23
    for first, second in ((one, other), *((one[:-lag], one[lag:]) for lag in (1, 2, 3, 4, 8, 64, 1536))):
        assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 5e-3


@pytest.mark.filterwarnings("ignore")
def test_a_compiler_takes_it_as_a_whole() -> None:
    assert torch._dynamo.explain(lambda x: dropout(x, 0.1))(torch.ones(4, 64)).graph_break_count == 0
