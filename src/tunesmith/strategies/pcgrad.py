"""PCGrad: gradients of tasks that work against each other are brought out of each other's way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import PLACE, SEVERAL, Mixture
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.shared import shared_parameters

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

    needs: ClassVar[frozenset[str]] = frozenset({SEVERAL})

    def begin(self, run: Run) -> None:
        self._shared = shared_parameters(run.model)
        if isinstance(run.task, Mixture) and len(run.task.members) == 1:
            run.say("pcgrad: there is one task, with whose gradient none can conflict: nothing is done")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        assert isinstance(run.task, Mixture)
        ranks = dist.is_initialized()  # another rank may hold rows of a task that this one has not
        groups = {name: [batch for batch in batches if batch.notes[PLACE] == name] for name in run.task.members}
        losses, gradients = list[Loss](), list[dict[str, Tensor]]()
        for group in groups.values() if len(groups) > 1 and batches else [list(batches)]:
            if group or ranks:
                loss = inner(group)
                losses.append(loss)
                gradients.append({name: w.grad.clone() for name, w in run.learning().items() if w.grad is not None})
        whole = together(losses)
        shares = [loss.count / whole.count if whole.count else 0.0 for loss in losses]
        parts = [{name: g.mul_(share) for name, g in own.items()} for own, share in zip(gradients, shares, strict=True) if share]
        order = [torch.randperm(len(parts), generator=run.generator(f"pcgrad {number}")).tolist() for number in range(len(parts))]
        found = summed(surgery(parts, self._shared, order))
        for name, w in run.learning().items():
            w.grad = found.get(name)
        return whole


@torch.no_grad()
def surgery(gradients: Sequence[dict[str, Tensor]], shared: frozenset[str], order: Sequence[Sequence[int]]) -> list[dict[str, Tensor]]:
    """The gradient of each task, by parameter, without what conflicts with another's; parameters that are not ``shared`` stay as they are.

    ``order`` says for each task in which order it meets the others, which are met as they were given.
    """
    found = []
    for number, own in enumerate(gradients):
        changed = dict(own)
        for other in (gradients[place] for place in order[number] if place != number):
            names = [name for name in changed.keys() & other.keys() if name in shared]
            along = sum(float((changed[name].double() * other[name].double()).sum()) for name in names)
            square = sum(float(part.double().square().sum()) for name, part in other.items() if name in shared)
            if along < 0 and square > TINY:
                changed |= {name: changed[name] - other[name] * (along / square) for name in sorted(names)}
        found.append(changed)
    return found


def summed(gradients: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The sum of gradients by parameter; where one task alone has a gradient, it is that."""
    total: dict[str, Tensor] = {}
    for own in gradients:
        total |= {name: part if name not in total else total[name] + part for name, part in own.items()}
    return total


def together(losses: Sequence[Loss]) -> Loss:
    """The losses of parts of a step as that of the whole step."""
    parts: dict[str, Tensor] = {}
    for loss in losses:
        parts |= {name: part + parts.get(name, 0.0) for name, part in loss.parts.items()}
    return Loss(torch.stack([loss.sum for loss in losses]).sum(), sum(loss.count for loss in losses), parts=parts)
