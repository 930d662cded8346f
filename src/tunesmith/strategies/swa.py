"""SWA: the shipped weights are the plain mean of those that the end of training passed through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tunesmith.core.clock import Span
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.substitute import swapped


@dataclass
class SWA(Strategy):
    """Averages the weights at regular times, from some point of training on; the average is what is judged and shipped.

    Formula: a = a + (w - a) / n when weights are taken for the n-th time, which makes a the mean of all n.
    Use when: training is long enough to wander around a good place; a rate that stays high then (schedule: constant) helps it wander.
    Cost: memory x1.25 (a copy of every weight that learns), time x1.01.
    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization", algorithm 1.
    Differs: the schedule stays that of training; transformers have no batch norm, so no statistics are computed anew.
    """

    start: Span = setting(Span(50, "%"), "when weights are taken first: 50%, 2ep, 500st; 100% ships the last ones")
    every: Span = setting(Span(2, "%"), "time between one taking and the next: 2%, 1ep, 10st")

    owns: ClassVar[frozenset[str]] = frozenset({"which weights are shipped"})
    shardable: ClassVar[bool] = True

    @classmethod
    def example(cls) -> SWA:
        return cls(every=Span(1, "st"))

    def begin(self, run: Run) -> None:
        self.average: dict[str, Tensor] = {}
        self.taken = 0

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        since = run.clock.step + 1 - max(1, self.start.steps(run.clock))
        if since < 0:
            inner()
            return
        # A weight that learns for the first time stood at its start whenever weights were taken before.
        self.average.update({name: w.detach().clone() for name, w in run.learning().items() if name not in self.average})
        inner()
        if since % max(1, self.every.steps(run.clock)) == 0:
            self.taken += 1
            take(self.average, dict(run.model.named_parameters()), self.taken)

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        with swapped(run.model, self.average if self.taken else {}):
            yield


@torch.no_grad()
def take(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], number: int) -> None:
    """Make each tensor of ``average``, in place, the mean of ``number`` of them, the tensor of that name in ``weights`` being the last."""
    for name, tensor in average.items():
        tensor.lerp_(weights[name], 1 / number)
