"""Token embeddings for CPUs: their gradient is added up in place, where torch makes and fills a new table at every step."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGE = 1_000_000  # weights from which a table is worth it


class Embedding(nn.Embedding):
    """``nn.Embedding`` whose backward pass adds to the rows that were seen, in ``weight.grad`` itself.

    Its gradient is only ever in ``weight.grad``: ``torch.autograd.grad`` with respect to ``weight`` does not see it.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is torch's)
        if torch.is_grad_enabled() and self.weight.requires_grad:
            return _Rows.apply(self.weight, input, self.padding_idx)  # type: ignore[no-untyped-call, no-any-return]
        return super().forward(input)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: nn.Parameter, ids: Tensor, padding: int | None) -> Tensor:
        ctx.weight, ctx.padding = weight, padding
        ctx.save_for_backward(ids)
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        (ids,) = ctx.saved_tensors
        weight, rows = ctx.weight, gradients[0].reshape(-1, gradients[0].shape[-1])
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        if ctx.padding is not None:
            rows = rows * (ids.reshape(-1, 1) != ctx.padding)
        weight.grad.index_add_(0, ids.reshape(-1), rows.to(weight.dtype))
        return None, None, None


def replace_embeddings(module: nn.Module) -> int:
    """Make every large plain ``nn.Embedding`` an ``Embedding``; its parameter stays the same. Returns how many were changed."""
    found = [part for part in module.modules() if type(part) is nn.Embedding and part.weight.numel() >= LARGE and not _special(part)]
    for part in found:
        part.__class__ = Embedding
    return len(found)


def _special(part: nn.Embedding) -> bool:
    return part.sparse or part.scale_grad_by_freq or part.max_norm is not None
