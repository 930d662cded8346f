"""Steps that are tried and taken back: what a model would be after some of gradient descent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tunesmith.core.loss import Loss


@contextmanager
def taken_back(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Within, ``weights`` may be changed in place; afterwards they are as before. Gives copies of them."""
    kept = {name: w.detach().clone() for name, w in weights.items()}
    try:
        yield kept
    finally:  # also when memory runs out, after which the step is tried again
        with torch.no_grad():
            for name, w in weights.items():
                w.copy_(kept[name])


@torch.no_grad()
def descend(weights: Mapping[str, Tensor], rate: float) -> None:
    """A step of plain gradient descent by what stands in ``.grad``, in place."""
    for w in weights.values():
        if w.grad is not None:
            w.sub_(w.grad, alpha=rate)


def together(losses: Sequence[Loss]) -> Loss:
    """The losses of several batches as that of one step."""
    parts: dict[str, Tensor] = {}
    for loss in losses:
        parts |= {name: part + parts.get(name, 0.0) for name, part in loss.parts.items()}
    return Loss(torch.stack([loss.sum.detach() for loss in losses]).sum(), sum(loss.count for loss in losses), parts=parts)
