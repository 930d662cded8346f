"""The forward pass: the module's own, in the precision that was asked for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.forward import CPU, Forward


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x @ (2 * torch.eye(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_calls_the_module_with_the_inputs_in_the_precision(dtype: torch.dtype) -> None:
    batch = Batch({"x": torch.tensor([[1.0, 2.0]])}, {}, torch.tensor([0]), 2)
    found = Forward(Double(), CPU, dtype)(batch)
    assert found.dtype == dtype
    assert found.tolist() == [[2.0, 4.0]]


def test_what_takes_the_module_computes_in_the_same_precision() -> None:
    forward = Forward(Double(), CPU, torch.bfloat16)
    with forward.precision():
        assert forward.module(torch.ones(1, 2)).dtype == torch.bfloat16
