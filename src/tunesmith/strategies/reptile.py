"""Reptile: weights from which every small task is a few steps away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.episodes import BY, episodes, numbering
from tunesmith.model.inner_steps import descend, taken_back, together


@dataclass
class Reptile(Strategy):
    """Takes some steps on each episode of a batch, goes back, and moves towards where they led.

    Formula: g = mean over episodes of (w - U(w)) / (k rate), U(w) the weights after k steps of gradient descent with ``rate`` on an
    episode; the optimizer then takes its step along g.
    Use when: the model is to be tuned again, quickly and on few rows, for tasks or groups like those of this run.
    Cost: memory x1.5 (two copies of every weight that learns), time x1: the rows of an episode are shared out to its steps.
    Source: Nichol, Achiam and Schulman 2018, "On First-Order Meta-Learning Algorithms", algorithms 1 and 2.
    Differs: divided by k, so that g is as large as a gradient and the learning rate means what it did; a task is a part of a batch.
    """

    num_steps: int = setting(4, "k, steps on an episode; 1 with by: step is plain training", low=1)
    rate: float = setting(1e-3, "learning rate of these steps, by plain gradient descent", above=0)
    by: str = setting("step", "what an episode is: the rows of a step, of a task in it, of a group in it", choices=BY)

    @classmethod
    def example(cls) -> Reptile:
        return cls(num_steps=2, rate=0.01)

    def begin(self, run: Run) -> None:
        self._number = numbering(self.by, run, "reptile")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        found = episodes(batches, self._number)
        if self.num_steps == 1 and len(found) == 1:
            return inner(batches)
        weights, losses = run.learning(), []
        ways = {name: torch.zeros_like(w) for name, w in weights.items()}
        for episode in found:
            parts = episode.dealt(self.num_steps)
            with taken_back(weights) as start:
                for number in range(self.num_steps):
                    losses.append(inner(parts[number % len(parts)]))
                    descend(weights, self.rate)
                for name, way in ways.items():
                    way.add_(start[name] - weights[name].detach(), alpha=1 / (self.rate * self.num_steps * len(found)))
        for name, w in weights.items():
            w.grad = ways[name]
        return together(losses)
