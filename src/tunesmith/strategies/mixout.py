"""Mixout: at each pass a random part of the weights is what it was before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.dropout import dropout
from tunesmith.model.four_bit import FourBit
from tunesmith.model.substitute import substituted


@dataclass
class Mixout(Strategy):
    """Computes each pass with a random part of the linear layers' weights set back to their pre-trained values.

    Formula: w' = (m * w(0) + (1 - m) * w - rate * w(0)) / (1 - rate) = w(0) + dropout(w - w(0)), m = 1 with probability rate; E[w'] = w.
    Use when: data are few and fine-tuning is unstable from seed to seed; it holds the weights near their start, as L2-SP does.
    Cost: memory x1.5 (a copy of every mixed weight, a mask and the mixture), time x1.1 to x1.3.
    Source: Lee, Cho and Kang 2020, "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language Models", equation 4.
    Differs: only weights of linear layers below the head are mixed; dropout stays as it is (the authors' code sets it to 0).
    """

    rate: float = setting(
        0.5, "probability that a weight is what it was, 0 to below 1; 0.1 to 0.9 is usual, 0 changes nothing", low=0, high=0.99
    )

    def begin(self, run: Run) -> None:
        self.start: dict[str, Tensor] = {}
        self._names = linear_weights(run)
        if not self._names:
            raise InputError(Problem("mixout: the model has no linear layer below its head", "Take mixout out of strategies"))

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        learning = {name: w for name, w in run.learning().items() if name in self._names}
        if not self.rate:
            return inner(batch)
        # A weight that is new here has stood still until now, so this is its starting point even when it was unfrozen late.
        self.start.update({name: w.detach().clone() for name, w in learning.items() if name not in self.start})
        with substituted(run.model, {name: mixed(w, self.start[name], self.rate) for name, w in learning.items()}):
            return inner(batch)


def linear_weights(run: Run) -> frozenset[str]:
    """The names of the weights of all pre-trained linear layers below the head."""
    from transformers.pytorch_utils import Conv1D

    linear = {f"{name}.weight" for name, part in run.model.named_modules() if isinstance(part, (nn.Linear, Conv1D, FourBit))}
    return frozenset(name for name, param in run.params.items() if name in linear and not param.head and not param.added)


def mixed(weight: Tensor, start: Tensor, rate: float) -> Tensor:
    """``weight`` with each element that of ``start`` with probability ``rate``, scaled so that its expectation is ``weight``."""
    return start + dropout(weight - start, rate)
