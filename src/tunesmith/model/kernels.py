"""Kernels for GPUs from packages that need not be there: flash-attn's attention, and liger-kernel's norms, rotations and gated blocks."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import nn

from tunesmith.model.quiet import quiet

HALF = (torch.bfloat16, torch.float16)
# Losses are tunesmith's own, of the positions that have a label.
LIGER = {"cross_entropy": False, "fused_linear_cross_entropy": False}


def use_kernels(module: nn.Module, device: torch.device, dtype: torch.dtype, packed: bool) -> list[str]:
    """Let a model on a GPU compute with the kernels that are installed and know its family. Returns what was chosen, for people.

    ``dtype`` is the number format of the forward pass; ``packed`` says that several texts may share a row of a batch.
    """
    if device.type != "cuda":
        return []
    whole: Any = getattr(module, "get_base_model", lambda: module)()
    with quiet():
        found = {"flash-attn": _flash_attention(whole, dtype, packed), "liger-kernel": _liger(whole)}
    return [name for name, used in found.items() if used]


def _flash_attention(whole: Any, dtype: torch.dtype, packed: bool) -> bool:
    """Attention by flash-attn (Dao 2024, "FlashAttention-2"), which is for half precision, and cannot part texts in one row."""
    from transformers.utils import is_flash_attn_2_available

    able = getattr(whole, "_supports_flash_attn", False) and whole.config._attn_implementation == "sdpa"
    if packed or dtype not in HALF or not able or not is_flash_attn_2_available():
        return False
    with suppress(ImportError, ValueError, RuntimeError):  # an older GPU, or a package that is broken
        whole.set_attn_implementation("flash_attention_2")
    return bool(whole.config._attn_implementation == "flash_attention_2")


def _liger(whole: Any) -> bool:
    """Layers by liger-kernel (Hsu et al. 2024, "Liger Kernel"), whose weights stay what they are."""
    from transformers.integrations.liger import apply_liger_kernel
    from transformers.utils import is_liger_kernel_available

    if not is_liger_kernel_available():
        return False
    before = _replaced(whole)
    apply_liger_kernel(whole, LIGER)
    return _replaced(whole) > before


def _replaced(whole: nn.Module) -> int:
    """How many modules compute in another way than their class."""
    return sum("forward" in vars(part) for part in whole.modules())
