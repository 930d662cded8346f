"""Lookahead: slow weights follow the fast ones, and call them back."""

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
class Lookahead(Strategy):
    """Keeps slow weights that go part of the way of every few steps; training goes on from there, and they are judged and shipped.

    Formula: s = s + alpha * (w - s), w = s, after every num_steps steps, which lead from s to w.
    Use when: steps are noisy, for small batches or high rates; it makes results less sensitive to the learning rate.
    Cost: memory x1.25 (a copy of every weight that learns), time x1.01.
    Source: Zhang, Lucas, Hinton and Ba 2019, "Lookahead Optimizer: k steps forward, 1 step back", algorithm 1.
    Differs: nothing; the optimizer keeps its moments when the weights are called back, as in the paper's experiments.
    """

    num_steps: int = setting(5, "k, steps of the fast weights before they are called back", low=1)
    alpha: float = setting(0.5, "share of their way that the slow weights go, above 0; 1 calls nothing back", above=0, high=1)

    owns: ClassVar[frozenset[str]] = frozenset({"which weights are shipped"})

    @classmethod
    def example(cls) -> Lookahead:
        return cls(num_steps=2)

    def begin(self, run: Run) -> None:
        self.slow: dict[str, Tensor] = {}

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        learning = run.learning()
        # What does not learn any more stays where it is; what learns for the first time still stands at its start.
        self.slow = {name: self.slow[name] if name in self.slow else w.detach().clone() for name, w in learning.items()}
        inner()
        if (run.clock.step + 1) % self.num_steps == 0:
            call_back(self.slow, learning, self.alpha)

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        with swapped(run.model, self.slow):
            yield


@torch.no_grad()
def call_back(slow: Mapping[str, Tensor], fast: Mapping[str, Tensor], alpha: float) -> None:
    """Move ``slow`` by the share ``alpha`` of the way to ``fast``, and ``fast`` to where ``slow`` is then, both in place."""
    for name, tensor in slow.items():
        fast[name].copy_(tensor.lerp_(fast[name], alpha))
