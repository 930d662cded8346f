"""Weights that never learn, held in bfloat16 where that is how they were made: half the memory, and nothing to convert at each step."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

PRODUCTS = (nn.Linear, Conv1D)  # whose weights autocast converts


@torch.no_grad()
def halve(model: nn.Module, learning: AbstractSet[str], dtype: torch.dtype) -> int:
    """Hold the matrices of ``model`` that are not in ``learning`` in bfloat16, where it computes in ``dtype`` bfloat16 and none of
    their numbers changes by it, as of a model that was published so. Returns how many numbers are held so.

    The products are those that autocast makes of float32, to the last bit. Tables of embeddings stay: their rows are read as they are.
    """
    if dtype != torch.bfloat16:
        return 0
    read = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    held = 0
    for path, part in model.named_modules():
        if type(part) not in PRODUCTS or f"{path}.weight" in learning:
            continue
        weight: nn.Parameter = part.weight
        if weight.dtype == torch.float32 and id(weight) not in read and weight.bfloat16().float().equal(weight):
            weight.data = weight.data.bfloat16()
            held += weight.numel()
    return held


@torch.no_grad()
def whole(model: nn.Module) -> None:
    """Hold all matrices in float32 again."""
    for part in model.modules():
        if type(part) in PRODUCTS and part.weight.dtype == torch.bfloat16:
            part.weight.data = part.weight.data.float()
