"""Schedule-free: an average of the weights takes the place of a falling learning rate."""

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
class ScheduleFree(Strategy):
    """Takes gradients between the last weights and their average; the average is what is judged and shipped, and needs no schedule.

    Formula: y = (1 - b) z + b x; z' = z + step of the optimizer with the gradient at y; x' = (1 - 1/t) x + 1/t z'; training holds y, x is
    shipped. Write training: {schedule: constant, beta1: 0}: b takes the place of the optimizer's momentum.
    Use when: nobody can say how long to train: at every time x is about as good as if a schedule had ended there.
    Cost: memory x1.5 (two copies of what learns), time x1.02.
    Source: Defazio et al. 2024, "The Road Less Scheduled", equations 3 to 5 and algorithm 1.
    Differs: around any optimizer; each step weighs the same in the average from the end of ``warmup`` on, where the paper weighs by the
    squared rate; weight decay acts at y.
    """

    beta: float = setting(0.9, "b, share of the average in the weights where gradients are taken; 0 is plain averaging", low=0, high=0.999)
    warmup: int = setting(0, "steps at the start that the average forgets", low=0)

    owns: ClassVar[frozenset[str]] = frozenset({"which weights are shipped", "the learning rate over time"})

    def begin(self, run: Run) -> None:
        self.last: dict[str, Tensor] = {}  # z
        self.average: dict[str, Tensor] = {}  # x
        self.updates = 0

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        weights = dict(run.learning())
        for name, w in weights.items():  # what learns for the first time stands at its start
            if name not in self.last:
                self.last[name], self.average[name] = w.detach().clone(), w.detach().clone()
        before = {name: w.detach().clone() for name, w in weights.items()}
        inner()
        self.updates += 1
        average_in(weights, before, self.last, self.average, 1 / max(1, self.updates - self.warmup), self.beta)

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        with swapped(run.model, self.average):
            yield


@torch.no_grad()
def average_in(
    weights: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    last: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    share: float,
    beta: float,
) -> None:
    """One step, in place: what the optimizer added to ``weights`` since ``before`` goes to ``last``, a ``share`` of that to ``average``.

    Leaves (1 - ``beta``) last + ``beta`` average in ``weights``.
    """
    for name, w in weights.items():
        last[name].add_(w - before[name])
        average[name].lerp_(last[name], share)
        w.copy_(torch.lerp(last[name], average[name], beta))
