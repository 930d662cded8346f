"""EMA: the shipped weights are a moving average of those that training passed through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.substitute import swapped


@dataclass
class EMA(Strategy):
    """Keeps an exponential moving average of the weights; it is what is judged and shipped, while training goes on from the weights.

    Formula: a(t) = d(t) * a(t-1) + (1 - d(t)) * w(t), a(0) = w(0), d(t) = min(decay, (1 + t) / (10 + t)) with warm-up.
    Use when: validation scores jump from one evaluation to the next; the average lies in a flatter place and is calmer.
    Cost: memory x1.25 (a copy of every weight that learns), time x1.02.
    Source: Tarvainen and Valpola 2017, "Mean teachers are better role models", section 2; Polyak and Juditsky 1992.
    Differs: the warm-up is that of TensorFlow's ExponentialMovingAverage, for runs that are shorter than 1 / (1 - decay) steps.
    """

    decay: float = setting(0.999, "share of the average that stays at each step, 0 to below 1; 0 changes nothing", low=0, high=0.999999)
    warmup: bool = setting(True, "whether the decay grows from 0.18 at first, so that a short run forgets its start")

    owns: ClassVar[frozenset[str]] = frozenset({"which weights are shipped"})
    shardable: ClassVar[bool] = True

    @classmethod
    def example(cls) -> EMA:
        return cls(decay=0.9)

    def begin(self, run: Run) -> None:
        self.average: dict[str, Tensor] = {}
        self.updates = 0

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        # A weight that learns for the first time still stands at its start.
        self.average.update({name: w.detach().clone() for name, w in run.learning().items() if name not in self.average})
        inner()
        self.updates += 1
        decay = warmed_up(self.decay, self.updates) if self.warmup else self.decay
        ema_update(self.average, dict(run.model.named_parameters()), decay)

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        with swapped(run.model, self.average):
            yield


def warmed_up(decay: float, updates: int) -> float:
    """The decay of update ``updates`` (from 1): small at first, ``decay`` in the end."""
    return min(decay, (1 + updates) / (10 + updates))


@torch.no_grad()
def ema_update(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], decay: float) -> None:
    """Move each tensor of ``average``, in place, by the share 1 - ``decay`` of the way to the tensor of that name in ``weights``."""
    for name, tensor in average.items():
        tensor.lerp_(weights[name], 1 - decay)
