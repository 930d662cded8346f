"""AdamW whose memory takes two bytes a weight instead of eight."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

BLOCK = 256  # neighbouring values that share a scale
SMALL = 4096  # weights of a parameter below which its state stays in float32
PIECE = 2**20  # values that are in float32 at a time, a multiple of BLOCK


class AdamW8bit(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) that keeps its two means in 8 bits.

    A block of 256 values is divided by its largest and each kept as the nearest of 256 numbers, which lie the closer the smaller they
    are. The update itself is computed in float32, from the values before they are rounded.

    Source: Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", sections 1.1 and 2. Differs: a mean of squares above 0
    is never rounded to 0, so that nothing is divided by epsilon alone; no other treatment of embeddings.
    """

    def __init__(self, parameters: list[Any], lr: float, betas: tuple[float, float], eps: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state |= {f"{name}{part}": value for name in ("mean", "square") for part, value in _empty(parameter).items()}
        state["step"] += 1
        (beta1, beta2), step = group["betas"], float(state["step"])
        size, root = group["lr"] / (1 - beta1**step), (1 - beta2**step) ** 0.5
        weights, gradient = parameter.view(-1), parameter.grad.reshape(-1)  # type: ignore[union-attr]
        weights.mul_(1 - group["lr"] * group["weight_decay"])
        for start in range(0, len(weights), PIECE):
            piece = slice(start, start + PIECE)
            now = gradient[piece].float()
            mean, square = (_read(state, name, piece) for name in ("mean", "square"))
            mean.lerp_(now, 1 - beta1)
            square.mul_(beta2).addcmul_(now, now, value=1 - beta2)
            weights[piece].sub_((size * mean / (square.sqrt() / root + group["eps"])).to(weights.dtype))
            _write(state, "mean", piece, mean)
            _write(state, "square", piece, square)


def quantised(values: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """Values (n,) as codes (n,), uint8, and the scale of each block of 256, (ceil(n / 256),)."""
    blocks = torch.nn.functional.pad(values, (0, -len(values) % BLOCK)).view(-1, BLOCK)
    scale = blocks.abs().amax(dim=1)
    numbers = code(signed)
    middles = (numbers[1:] + numbers[:-1]) / 2
    codes = torch.bucketize(blocks / scale.clamp_min(torch.finfo(torch.float32).tiny)[:, None], middles.to(blocks.device))
    if not signed:
        codes.clamp_min_(1).mul_(blocks > 0)
    return codes.to(torch.uint8).view(-1)[: len(values)], scale


def restored(codes: Tensor, scale: Tensor, signed: bool) -> Tensor:
    """The values (n,) that codes (n,) and the scales of their blocks stand for."""
    numbers = code(signed).to(codes.device)[codes.int()]
    blocks = torch.nn.functional.pad(numbers, (0, -len(numbers) % BLOCK)).view(-1, BLOCK)
    return (blocks * scale[:, None]).view(-1)[: len(codes)]


@lru_cache(maxsize=2)
def code(signed: bool) -> Tensor:
    """The 256 numbers from -1 or 0 to 1 that codes stand for, in order.

    A number is a power of ten times a fraction from 0.1 to 1; each power below has half as many fractions.
    """
    found = [torch.tensor([0.0, 1.0])]
    for power in range(7):
        edges = torch.linspace(0.1, 1.0, 2 ** ((6 if signed else 7) - power) + 1)
        fractions = (edges[1:] + edges[:-1]) / 2 * 10.0**-power
        found += [fractions, -fractions] if signed else [fractions]
    return torch.cat(found).sort().values


def _empty(parameter: Tensor) -> dict[str, Tensor]:
    """The state of one mean of a parameter that was never updated."""
    count = parameter.numel()
    if count < SMALL:
        return {"": torch.zeros(count, device=parameter.device)}
    codes, scale = quantised(torch.zeros(1, device=parameter.device), signed=True)
    return {"": codes.repeat(count), "_scale": scale.repeat(-(-count // BLOCK))}


def _read(state: dict[str, Tensor], name: str, piece: slice) -> Tensor:
    if f"{name}_scale" not in state:
        return state[name][piece].clone()
    return restored(state[name][piece], state[f"{name}_scale"][_blocks(piece)], signed=name == "mean")


def _write(state: dict[str, Tensor], name: str, piece: slice, values: Tensor) -> None:
    if f"{name}_scale" not in state:
        state[name][piece] = values
        return
    state[name][piece], state[f"{name}_scale"][_blocks(piece)] = quantised(values, signed=name == "mean")


def _blocks(piece: slice) -> slice:
    return slice(piece.start // BLOCK, piece.stop // BLOCK)
