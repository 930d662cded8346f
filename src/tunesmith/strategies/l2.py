"""L2: the weights are pulled to zero, by the loss or beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class L2(Strategy):
    """Pulls the weights that learn to zero: by a squared penalty in the loss, or by shrinking them a little before each update.

    Formula: loss + strength / 2 * ||w||^2; decoupled: w = (1 - strength) * w - update, over all weights that learn but biases and norms.
    Use when: weights grow without end, or a decay is wanted that does not follow the learning rate, as training.weight_decay does.
    Cost: memory x1, time x1.05; decoupled: time x1.01.
    Source: Krogh and Hertz 1991, "A Simple Weight Decay Can Improve Generalization", equation 2; decoupled: Loshchilov and
    Hutter 2019, "Decoupled Weight Decay Regularization", equation 1.
    Differs: decoupled, the strength is per step and follows neither schedule nor rate. Both add to training.weight_decay.
    """

    strength: float = setting(
        1e-4, "weight of the penalty; decoupled: share of each weight that is lost at each step; 0 is none", low=0, high=1
    )
    decoupled: bool = setting(False, "whether weights shrink beside the gradient, where no optimizer scales it")

    @classmethod
    def example(cls) -> L2:
        return cls(strength=0.01)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.strength or self.decoupled:
            return loss
        return loss.penalty("l2", self.strength / 2 * squared_size(decaying(run)))

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        if self.strength and self.decoupled:
            shrink(decaying(run), self.strength)
        inner()


def decaying(run: Run) -> list[Tensor]:
    """The weights that learn now and are no biases and of no norm."""
    params = run.params
    return [w for name, w in run.learning().items() if not params[name].bias and params[name].kind != "norm"]


def squared_size(weights: Iterable[Tensor]) -> Tensor:
    """The sum of w^2 over all elements of all weights, as a scalar in float32; 0 for none."""
    return sum((w.float().square().sum() for w in weights), torch.zeros(()))


@torch.no_grad()
def shrink(weights: Iterable[Tensor], share: float) -> None:
    """Take the ``share`` of each weight away, in place."""
    for w in weights:
        w.mul_(1 - share)
