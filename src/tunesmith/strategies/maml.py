"""MAML: what counts is the loss after a few steps on other rows of the same task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.episodes import BY, episodes, numbering
from tunesmith.model.inner_steps import bend, copies, descend, taken_back, together


@dataclass
class MAML(Strategy):
    """Takes some steps on half of each episode of a batch, and the gradient of the other half from there, for the weights before.

    Formula: g = mean over episodes of grad L_query(w'), w' = w - rate * grad L_support(w), num_steps times; halves are every other row.
    To second order, for each of these steps, the last one first: g <- g - rate * H_support(w) g.
    Use when: the model is to be tuned again on few rows, for tasks or groups like those of this run; reptile needs no halves.
    Cost: memory x1.25 (a copy of every weight that learns), time x(num_steps + 1) / 2; to second order a copy more for each step, and
    time x(3 * num_steps + 1) / 2.
    Source: Finn, Abbeel and Levine 2017, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", algorithm 2; to first order:
    section 5.2; the second by differences: Fallah, Mokhtari and Ozdaglar 2020, "On the Convergence Theory of Gradient-Based
    Model-Agnostic Meta-Learning Algorithms", HF-MAML.
    Differs: the second derivative is left out by default, which the first paper finds to cost little; an episode is a part of a batch.
    """

    num_steps: int = setting(1, "steps on the first half of an episode; 0 is plain training on all of it", low=0)
    rate: float = setting(1e-3, "alpha, learning rate of these steps, by plain gradient descent", above=0)
    order: int = setting(1, "2 adds the second derivative, in float32 alone", choices=(1, 2))
    by: str = setting("step", "what an episode is: the rows of a step, of a task in it, of a group in it", choices=BY)

    @classmethod
    def example(cls) -> MAML:
        return cls(rate=1e-3)

    def begin(self, run: Run) -> None:
        self._number = numbering(self.by, run, "maml")
        if self.order == 2 and run.forward.dtype not in (torch.float32, torch.float64):
            message = "maml: the second derivative is a difference of gradients, for which bfloat16 and float16 are too coarse"
            raise InputError(Problem(message, "Write training.precision: float32, or order: 1"))

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        if not self.num_steps:
            return inner(batches)
        weights, losses = run.learning(), []
        found = episodes(batches, self._number)
        total = {name: torch.zeros_like(w) for name, w in weights.items()}
        for episode in found:
            support, query = (episode.dealt(2) * 2)[:2]  # an episode of one row is both
            with taken_back(weights):
                passed: list[dict[str, Tensor]] = []
                for _ in range(self.num_steps):
                    passed += [copies(weights)] if self.order == 2 else []
                    inner(support)
                    descend(weights, self.rate)
                losses.append(inner(query))
                for start in reversed(passed):
                    bend(weights, start, self.rate, partial(inner, support))
            for name, w in weights.items():
                if w.grad is not None:
                    total[name].add_(w.grad, alpha=1 / len(found))
        for name, w in weights.items():
            w.grad = total[name]
        return together(losses)
