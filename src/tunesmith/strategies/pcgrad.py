"""PCGrad: gradients of tasks that work against each other are brought out of each other's way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import APART, Mixture
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.shared import shared_parameters
from tunesmith.model.task_gradients import Gradient, of_each_task, put, summed, whole

TINY = 1e-24  # a squared norm below which a gradient has no direction


@dataclass
class PCGrad(Strategy):
    """Takes from the gradient of each task what points against that of another, before they are added.

    Formula: g = sum_i g_i', g_i' = g_i, then for every other task j in random order: where g_i'.g_j < 0, g_i' - (g_i'.g_j / g_j.g_j) g_j.
    Use when: tasks that share a trunk learn worse together than alone; where their gradients agree it changes nothing.
    Cost: memory: a gradient more for each task; time x1, and a little for the inner products.
    Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", algorithm 1.
    Differs: g_i is the task's share of the gradient of the step, its weight in it; a task without a row in a step takes no part in it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({APART})

    def begin(self, run: Run) -> None:
        self._shared = shared_parameters(run.model)
        self._alone = isinstance(run.task, Mixture) and len(run.task.members) == 1
        if self._alone:
            run.say("pcgrad: there is one task, with whose gradient none can conflict: nothing is done")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        if self._alone:
            return inner(batches)
        found = of_each_task(batches, run, inner)
        if len(found) < 2:
            return whole(found) if found else inner(batches)
        loss = whole(found)
        parts = [{name: part * (own.loss.count / loss.count) for name, part in own.gradient.items()} for own in found]
        order = [torch.randperm(len(parts), generator=run.generator(f"pcgrad {number}")).tolist() for number in range(len(parts))]
        put(summed(surgery(parts, self._shared, order)), run)
        return loss


@torch.no_grad()
def surgery(gradients: Sequence[Gradient], shared: frozenset[str], order: Sequence[Sequence[int]]) -> list[Gradient]:
    """The gradient of each task, by parameter, without what conflicts with another's; parameters that are not ``shared`` stay as they are.

    ``order`` says for each task in which order it meets the others, which are met as they were given.
    """
    found = []
    for number, own in enumerate(gradients):
        changed = dict(own)
        for other in (gradients[place] for place in order[number] if place != number):
            names = [name for name in changed if name in other and name in shared]
            along = sum(float((changed[name].double() * other[name].double()).sum()) for name in names)
            square = sum(float(part.double().square().sum()) for name, part in other.items() if name in shared)
            if along < 0 and square > TINY:
                changed |= {name: changed[name] - other[name] * (along / square) for name in names}
        found.append(changed)
    return found
