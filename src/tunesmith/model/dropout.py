"""Dropout for CPUs: torch draws its mask one number at a time in one thread, which takes longer than the layer it follows.

Here the mask comes from a hash of the places, in vector instructions on all threads, and is applied as bits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BYTE, PAIR = 8, 16  # bits of random number behind each element
CLOSE = 0.02  # a byte serves where it misses the probability by at most this part of it
WEYL = -1640531527  # 2^32 divided by the golden ratio: neighbours start far from one another
ROUNDS = ((16, 0x7FEB352D), (15, -2073254261), (16, 1))  # of Wellons' "lowbias32" hash: shift, then multiply
BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64}


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """``x`` with each element 0 with probability ``p`` and scaled by 1 / (1 - p) else (Srivastava et al. 2014, section 4).

    The mask is a function of one number from torch's global random numbers, so it repeats after ``torch.manual_seed``. ``p`` is rounded
    to a multiple of 1 / 256 where that is within 2% of it and of 1 / 65536 else; the scale is that of the rounded value, so that the
    expectation is exact.
    """
    if x.device.type != "cpu" or x.dtype not in BITS:
        return F.dropout(x, p, training)
    kept = share_kept(p)
    if not training or kept == 1:
        return x
    return x * 0.0 if kept == 0 else masked(x, keep(x.shape, p), 1 / kept)


def share_kept(p: float) -> float:
    """The probability that an element stays, after rounding."""
    steps = 1 << _bits(p)
    return 1 - round(p * steps) / steps


def keep(shape: torch.Size, p: float) -> Tensor:
    """A random mask of ``shape``: -1, all bits set, where an element stays, and 0 with probability ``p``; int16."""
    bits, elements = _bits(p), shape.numel()
    words = hashed(math.ceil(elements * bits / 32))
    # uniform in [-top, top); halved where it has 16 bits, so that the difference below does not overflow
    uniform = words.view(torch.int8).to(torch.int16) if bits == BYTE else words.view(torch.int16) >> 1
    top = 128 if bits == BYTE else 1 << 14
    threshold = round(p * (1 << bits)) * 2 * top // (1 << bits) - top
    uniform.neg_().add_(threshold - 1)  # negative where the number is at least the threshold
    uniform >>= 15
    return uniform[:elements].view(shape)


def masked(x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
    """``x`` times ``scale`` where ``mask`` is -1, and 0 where it is 0."""
    return _Masked.apply(x, mask, scale)  # type: ignore[no-untyped-call, no-any-return]


def hashed(count: int) -> Tensor:
    """``count`` random int32 numbers: the hash of each place, moved by one number from torch's global random numbers."""
    x = _places(1 << max(0, count - 1).bit_length())[:count] + torch.randint(-(2**31), 2**31, ()).to(torch.int32)
    shifted = torch.empty_like(x)
    for shift, factor in ROUNDS:
        torch.bitwise_right_shift(x, shift, out=shifted)
        shifted &= (1 << (32 - shift)) - 1  # torch's shift repeats the sign
        x ^= shifted
        x *= factor
    return x


@lru_cache(maxsize=2)
def _places(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.int32).mul_(WEYL)


def _bits(p: float) -> int:
    return BYTE if abs(round(p * 256) / 256 - p) <= CLOSE * p else PAIR


class _Masked(torch.autograd.Function):
    """Multiplication by 0 or ``scale``, with the mask applied as bits: no conversion, and two bytes an element kept for backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        bits = BITS[x.dtype]
        kept = (x.view(bits) & (mask if bits == torch.int16 else mask.to(bits))).view(x.dtype)
        return kept.mul_(scale) if scale != 1 else kept

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return masked(gradients[0], ctx.saved_tensors[0], ctx.scale), None, None


class Dropout(nn.Dropout):
    """``nn.Dropout`` by ``dropout`` above."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is torch's)
        return dropout(input, self.p, self.training)


def replace_dropout(module: nn.Module) -> int:
    """Put ``Dropout`` in the place of every plain ``nn.Dropout``. Returns how many were replaced."""
    replaced = 0
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p).train(child.training))
                replaced += 1
    return replaced
