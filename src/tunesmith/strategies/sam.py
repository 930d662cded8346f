"""SAM: the gradient is taken where the loss is worst nearby, which leads to flat minima."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy

TINY = 1e-12  # a gradient of zero has no direction, and no step


@dataclass
class SAM(Strategy):
    """Climbs from the weights to the worst point within a radius, takes the gradient there, and applies it to the weights.

    Formula: w - rate * grad L(w + e), e = rho * g / ||g||, g = grad L(w); adaptive: e = rho * T^2 g / ||T g||, T = |w| + eta.
    Use when: data are few or noisy and the time of two passes is affordable; gains are largest where plain training over-fits.
    Cost: memory x1.25 (a copy of every weight that learns), time x2.
    Source: Foret et al. 2021, "Sharpness-Aware Minimization", equations 2 and 3; ASAM: Kwon et al. 2021, "ASAM", algorithm 1.
    Differs: T covers biases as in ASAM's equation (its code leaves them at 1); both passes see the same dropout masks.
    """

    rho: float = setting(0.05, "radius of the neighbourhood; 0 is plain training. ASAM wants about ten times as much", low=0)
    adaptive: bool = setting(False, "ASAM: measure the radius relative to the size of each weight")
    eta: float = setting(0.01, "ASAM: added to the size of each weight, so that zeros can move", low=0)

    applies: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {"eta": ("adaptive", (True,))}

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        if not self.rho:
            return loss
        weights = [w for w in run.learning().values() if w.grad is not None]
        kept = [w.detach().clone() for w in weights]
        gradients = (w.grad for w in weights if w.grad is not None)
        try:
            climb(weights, ascent(kept, list(gradients), self.rho, self.eta if self.adaptive else None))
            inner(batches)
        finally:  # also when memory runs out, after which the step is tried again
            with torch.no_grad():
                for w, before in zip(weights, kept, strict=True):
                    w.copy_(before)
        return loss


@torch.no_grad()
def climb(weights: Sequence[Tensor], steps: Sequence[Tensor]) -> None:
    """Add ``steps`` to ``weights``, in place."""
    for w, step in zip(weights, steps, strict=True):
        w.add_(step)


def ascent(weights: Sequence[Tensor], gradients: Sequence[Tensor], rho: float, eta: float | None = None) -> list[Tensor]:
    """The step e of length ``rho`` along which the loss grows most, to first order; with ``eta`` in the metric of ASAM.

    All ``weights`` together are one vector; so are their ``gradients`` and the returned tensors, which have the same shapes.
    """
    if eta is None:
        length = rho / (get_total_norm(gradients) + TINY)
        return [g * length for g in gradients]
    scales = [w.abs() + eta for w in weights]
    scaled = [scale * g for scale, g in zip(scales, gradients, strict=True)]
    length = rho / (get_total_norm(scaled) + TINY)
    return [scale * g * length for scale, g in zip(scales, scaled, strict=True)]
