"""Steps that are tried and taken back: what a model would be after some of gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tunesmith.core.loss import Loss

APART = 0.01  # how far from a point the two gradients are taken whose difference is its second derivative


@contextmanager
def taken_back(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Within, ``weights`` may be changed in place; afterwards they are as before. Gives copies of them."""
    kept = copies(weights)
    try:
        yield kept
    finally:  # also when memory runs out, after which the step is tried again
        put(weights, kept)


def copies(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: w.detach().clone() for name, w in weights.items()}


def gradients(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the gradients there are."""
    return {name: w.grad.detach().clone() for name, w in weights.items() if w.grad is not None}


@torch.no_grad()
def put(weights: Mapping[str, Tensor], values: Mapping[str, Tensor], others: Mapping[str, Tensor] | None = None, by: float = 0.0) -> None:
    """Set the weights to ``values``, and ``by`` times ``others`` added where there are any."""
    for name, w in weights.items():
        w.copy_(values[name])
        if others and name in others:
            w.add_(others[name], alpha=by)


@torch.no_grad()
def descend(weights: Mapping[str, Tensor], rate: float) -> None:
    """A step of plain gradient descent by what stands in ``.grad``, in place."""
    for w in weights.values():
        if w.grad is not None:
            w.sub_(w.grad, alpha=rate)


def bend(weights: Mapping[str, Tensor], start: Mapping[str, Tensor], rate: float, gradient: Callable[[], object]) -> None:
    """Take a gradient g in ``.grad`` back through a step of descent from ``start``: g <- g - rate * H g, H the Hessian there.

    H g is (grad(start + e g) - grad(start - e g)) / 2e, with e = ``APART`` / |g|; ``gradient`` computes the gradient of the step's loss.
    Leaves the weights elsewhere.

    Source: Fallah et al. 2020, HF-MAML; e as in Liu et al. 2019, "DARTS", footnote 2.
    """
    along = gradients(weights)
    length = float(torch.stack([g.double().square().sum() for g in along.values()]).sum().sqrt()) if along else 0.0
    if not length:
        return
    sides: list[dict[str, Tensor]] = []
    for by in (APART / length, -APART / length):
        put(weights, start, along, by)
        gradient()
        sides.append(gradients(weights))
    for name, w in weights.items():
        w.grad = along.get(name)
        if w.grad is not None and all(name in side for side in sides):
            w.grad.sub_(sides[0][name] - sides[1][name], alpha=rate * length / (2 * APART))


def together(losses: Sequence[Loss]) -> Loss:
    """The losses of several batches as that of one step."""
    parts: dict[str, Tensor] = {}
    for loss in losses:
        parts |= {name: part + parts.get(name, 0.0) for name, part in loss.parts.items()}
    return Loss(torch.stack([loss.sum.detach() for loss in losses]).sum(), sum(loss.count for loss in losses), parts=parts)
