"""Activation checkpointing: the same gradients to the last bit, with less kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from tunesmith.model.attention import use_plain_attention
from tunesmith.model.dropout import replace_dropout
from tunesmith.model.recompute import recompute


def gradients(module: nn.Module, **inputs: Tensor) -> tuple[dict[str, Tensor], int]:
    """Gradients by name, and the bytes that were kept for them."""
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    module.zero_grad()
    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = module(**inputs)[0].square().mean()
    loss.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}, kept


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "t5"])
def test_gradients_are_the_same_with_less_kept(family: str) -> None:
    module: Any = tiny.base(family).train()
    replace_dropout(module)
    use_plain_attention(module)
    ids = torch.randint(5, 40, (4, 24), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if family == "t5" else {})
    plain, kept = gradients(module, **inputs)
    assert recompute(module) == (5 if family == "t5" else 3)
    again, less = gradients(module, **inputs)
    assert less < kept / 2
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_a_family_that_cannot_is_told() -> None:
    assert recompute(tiny.base("albert")) == 0
