"""The gradient of each task of a mixture by itself, for what combines them in another way than by adding them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch.distributed as dist
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss, added
from tunesmith.core.mixture import PLACE, Mixture
from tunesmith.core.run import Run

Gradient = dict[str, Tensor]  # by the name of the parameter


@dataclass(frozen=True)
class TaskGradient:
    """What one task asks for in a step.

    ``loss``      of its rows in the step, over all ranks
    ``gradient``  of its mean, for the parameters that have one
    """

    name: str
    loss: Loss
    gradient: Gradient

    @property
    def mean(self) -> float:
        """The mean loss of the task without what strategies added."""
        return float(self.loss.parts[self.name]) / self.loss.count


def of_each_task(batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> list[TaskGradient]:
    """The gradients of the tasks that have rows in this step, in the order of the mixture. ``inner`` leaves a mean in ``.grad``."""
    assert isinstance(run.task, Mixture)
    found = []
    for name in run.task.members:
        group = [batch for batch in batches if batch.notes[PLACE] == name]
        if group or dist.is_initialized():  # another rank may hold rows of a task of which this one has none
            loss = inner(group)
            if loss.count:
                gradient = {weight: w.grad.clone() for weight, w in run.learning().items() if w.grad is not None}
                found.append(TaskGradient(name, loss, gradient))
    return found


def put(gradient: Mapping[str, Tensor], run: Run) -> None:
    """Leave a gradient in ``.grad``."""
    for name, w in run.learning().items():
        w.grad = gradient.get(name)


def summed(gradients: Sequence[Mapping[str, Tensor]]) -> Gradient:
    """The sum of gradients by parameter; where one task alone has a gradient, it is that."""
    total: Gradient = {}
    for own in gradients:
        total |= {name: part if name not in total else total[name] + part for name, part in own.items()}
    return total


def whole(found: Sequence[TaskGradient]) -> Loss:
    """The losses of the tasks as that of the step."""
    return added([own.loss for own in found])
