"""Which number format the forward pass uses: bfloat16 where the processor has it, float32 otherwise; weights stay in float32."""

from __future__ import annotations

import torch

from tunesmith.core.errors import InputError, Problem

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device() -> torch.device:
    """The device that this process trains on: its GPU, Apple's, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose(setting: str, device: torch.device) -> torch.dtype:
    """The format for ``training.precision``; ``auto`` asks the hardware, never a clock, so that two runs agree.

    Raises ``InputError`` for float16 on a processor: only GPUs compute with it quickly, and its range needs their loss scaling.
    """
    if setting == "float16" and device.type != "cuda":
        raise InputError(Problem(f"float16 cannot be trained on {device.type}", "Write training.precision: auto", key="training.precision"))
    if setting != "auto":
        return FORMATS[setting]
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` multiplies bfloat16 matrices in hardware (AVX512-bf16 or AMX on a CPU, compute capability 8 on a GPU)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
