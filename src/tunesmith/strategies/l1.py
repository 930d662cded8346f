"""L1: a penalty on the size of the weights that leaves few of them far from zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class L1(Strategy):
    """Adds the absolute size of the weights that learn to the loss, which drives those that are of little use to zero.

    Formula: loss + strength * sum |w|, over all weights that learn but biases and norms.
    Use when: what was added should be sparse, a head over many features or an adapter; pre-trained weights suffer from being pulled to 0.
    Cost: memory x1, time x1.05.
    Source: Tibshirani 1996, "Regression Shrinkage and Selection via the Lasso", section 2.
    Differs: its gradient passes the optimizer, so weights come near zero without reaching it; biases and norms are left out.
    """

    strength: float = setting(1e-5, "penalty on each unit of absolute size; 0 is none", low=0)
    head_only: bool = setting(False, "whether only the weights of the head are penalised")

    @classmethod
    def example(cls) -> L1:
        return cls(strength=1e-3)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.strength:
            return loss
        weights = [w for name, w in run.learning().items() if self._covers(run.params[name])]
        return loss.penalty("l1", self.strength * absolute_size(weights))

    def _covers(self, param: Param) -> bool:
        return not param.bias and param.kind != "norm" and (param.kind == "head" or not self.head_only)


def absolute_size(weights: Iterable[Tensor]) -> Tensor:
    """The sum of |w| over all elements of all weights, as a scalar in float32; 0 for none."""
    return sum((w.float().abs().sum() for w in weights), torch.zeros(()))
