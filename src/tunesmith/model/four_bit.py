"""Linear layers that do not learn and keep their weights in 4 bits, through bitsandbytes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any, Self

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.quiet import quiet

BLOCKS = 64, 32  # neighbouring weights that share a scale: the first size that divides a row, since kernels for CPUs begin one with each


class FourBit(nn.Module):
    """y = W x + b, x (..., in), W (out, in) in NF4: a weight is one of 16 numbers times the largest of its block.

    ``weight``   two codes in a byte, a parameter that never learns; ``bias`` is that of the layer which it stands for
    ``scales``   the largest of each ``block`` of weights; ``double``: in 8 bits themselves, with one scale for 256 of them

    bitsandbytes' own ``Linear4bit`` has no gradient on processors with bfloat16 once it was evaluated, and rounds its bias.
    """

    def __init__(self, weight: Tensor, bias: nn.Parameter | None, double: bool, block: int = BLOCKS[0]) -> None:
        from bitsandbytes.functional import quantize_4bit

        super().__init__()
        self.out_features, self.in_features = weight.shape
        codes, self.scales = quantize_4bit(weight.detach().contiguous(), blocksize=block, compress_statistics=double, quant_type="nf4")
        self.weight = nn.Parameter(codes, requires_grad=False)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        from bitsandbytes import matmul_4bit

        device = x.device.type
        x = x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
        product: Tensor = matmul_4bit(x, self.weight, self.scales)
        return product if self.bias is None else product + self.bias.to(product.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What ``to`` does to a module: the scales go with the codes."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.scales.to(self.weight.device)
        return self


def require(strategy: str) -> None:
    """Raise ``InputError`` where bitsandbytes is not installed."""
    if find_spec("bitsandbytes") is None:
        raise InputError(Problem(f"{strategy} needs the package bitsandbytes", "Run: pip install 'tunesmith[quantized]'"))


def quantise(model: nn.Module, names: Iterable[str], double: bool) -> int:
    """Put the linear layers of these names into 4 bits, one after the other. Returns how many weights they hold.

    Left as they are: layers whose number of inputs is no multiple of 32, and those that the family wants precise (T5).
    """
    precise = {part for module in model.modules() for part in getattr(module, "_keep_in_fp32_modules", None) or ()}
    count = 0
    with quiet():
        for name in names:
            above, _, own = name.rpartition(".")
            layer: Any = model.get_submodule(name)
            weight = layer.weight if isinstance(layer, nn.Linear) else layer.weight.T  # GPT-2's Conv1D keeps (in, out)
            block = next((size for size in BLOCKS if weight.shape[1] % size == 0), None)
            if block and precise.isdisjoint(name.split(".")):
                count += weight.numel()
                setattr(model.get_submodule(above), own, FourBit(weight, layer.bias, double, block))
            del layer, weight
    _give_back()
    return count


def _give_back() -> None:
    """Return what was freed to the system: glibc keeps it where it lies between pieces that are in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def restore(tuned: nn.Module, base: nn.Module) -> None:
    """Put the linear layers of ``base`` in place of those that stand for them in 4 bits in ``tuned``, an adapter around it or not."""
    whole = dict(base.named_modules())
    for name, part in list(tuned.named_modules()):
        if isinstance(part, FourBit):
            above, _, own = name.rpartition(".")
            original = whole[name.removeprefix("base_model.model.").removesuffix(".base_layer")]
            setattr(tuned.get_submodule(above), own, original)


def formats(model: nn.Module) -> str:
    """In what the weights of the model are kept beside floating-point numbers; empty where in nothing else."""
    return ", ".join(sorted({"NF4 doubly" if part.scales.nested else "NF4" for part in model.modules() if isinstance(part, FourBit)}))
