"""Dropout that draws its mask four values at a time: on a CPU the drawing, in one thread, takes longer than the layer it follows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

VALUES = 65536  # of a 16-bit number: probabilities are multiples of 1 / VALUES


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """``x`` with each element 0 with probability ``p`` and scaled by 1 / (1 - p) else (Srivastava et al. 2014, section 4).

    The mask comes from torch's global random numbers, so it repeats after ``torch.manual_seed``. ``p`` is rounded to a multiple of
    1 / 65536, and the scale is that of the rounded value: the expectation is exact.
    """
    dropped = round(p * VALUES)
    if not training or dropped == 0:
        return x
    if dropped >= VALUES:
        return x * 0.0
    words = torch.empty(math.ceil(x.numel() / 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    drawn = words.view(torch.int16)[: x.numel()].view(x.shape)
    keep = (drawn >= dropped - VALUES // 2).to(x.dtype).mul_(VALUES / (VALUES - dropped))
    return x * keep


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
