"""Kernels for GPUs: when they are chosen. None of them runs here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers.integrations import liger

import tiny
from tunesmith.model.adapters import wrap
from tunesmith.model.kernels import use_kernels

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Both packages are there, and Liger knows LLaMA alone; what it was told."""
    told: list[dict[str, Any]] = []

    def named(model: Any, name: str) -> None:
        model.config._attn_implementation_internal = name

    def apply(model: nn.Module, settings: dict[str, Any]) -> None:
        told.append(settings)
        for part in model.modules():
            if type(part).__name__ == "LlamaRMSNorm":
                part.forward = part.forward  # bound to the instance, as Liger does

    monkeypatch.setattr(transformers.utils, "is_flash_attn_2_available", lambda: True)
    monkeypatch.setattr(transformers.utils, "is_liger_kernel_available", lambda: True)
    monkeypatch.setattr(transformers.PreTrainedModel, "set_attn_implementation", named)
    monkeypatch.setattr(liger, "apply_liger_kernel", apply)
    return told


@pytest.mark.parametrize(
    ("family", "dtype", "packed", "chosen"),
    [
        ("llama", torch.bfloat16, False, ["flash-attn", "liger-kernel"]),
        ("llama", torch.float16, True, ["liger-kernel"]),
        ("llama", torch.float32, False, ["liger-kernel"]),
        ("bert", torch.bfloat16, False, ["flash-attn"]),
        ("t5", torch.bfloat16, False, []),
    ],
)
def test_what_is_chosen(installed: list[dict[str, Any]], family: str, dtype: torch.dtype, packed: bool, chosen: list[str]) -> None:
    model = tiny.base(family)
    assert use_kernels(model, GPU, dtype, packed) == chosen
    assert (model.config._attn_implementation == "flash_attention_2") == ("flash-attn" in chosen)
    assert installed == [{"cross_entropy": False, "fused_linear_cross_entropy": False}]


def test_a_model_within_an_adapter(installed: list[dict[str, Any]]) -> None:
    from peft import LoraConfig

    adapted = wrap(tiny.base("llama"), LoraConfig(target_modules=["q_proj"]))
    assert use_kernels(adapted, GPU, torch.bfloat16, packed=False) == ["flash-attn", "liger-kernel"]


def test_nothing_is_chosen_on_a_cpu(installed: list[dict[str, Any]]) -> None:
    assert use_kernels(tiny.base("llama"), CPU, torch.bfloat16, packed=False) == []
    assert installed == []


def test_nothing_is_chosen_where_nothing_is_installed() -> None:
    model = tiny.base("llama")
    assert use_kernels(model, GPU, torch.bfloat16, packed=False) == []
    assert model.config._attn_implementation == "sdpa"
