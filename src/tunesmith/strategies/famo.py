"""FAMO: all tasks of a mixture are made to get better at the same rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import APART, PLACE, Mixture
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.chance import seed_all
from tunesmith.model.task_gradients import of_each_task, put, summed, whole

SMALLEST = 1e-8  # added to a loss before its logarithm is taken
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of the Adam that moves the weights


@dataclass
class FAMO(Strategy):
    """Weighs the tasks so that the logarithms of their losses fall equally fast, the one that falls least being helped most.

    Formula: g = c sum_i (z_i / L_i) g_i, z = softmax(w), c = 1 / sum_i (z_i / L_i); then w moves by Adam along J^T d + gamma w, where d_i
    is by how much log L_i fell in the step, and J the derivative of z by w.
    Use when: some tasks learn at the cost of others, and losses are of different size; needs no weights from anyone.
    Cost: memory: a gradient more for each task; time x1.3: the losses are computed once more after the update.
    Source: Liu et al. 2023, "FAMO: Fast Adaptive Multitask Optimization", algorithm 1; Adam as in the authors' code.
    Differs: gradients are taken task by task, which is exact over micro-batches; a task without a row in a step is left as it is.
    """

    rate: float = setting(0.025, "beta, learning rate of the weights", above=0)
    decay: float = setting(1e-3, "gamma, how much of the weights is taken back in each step", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({APART})
    owns: ClassVar[frozenset[str]] = frozenset({"what tasks weigh"})

    def begin(self, run: Run) -> None:
        assert isinstance(run.task, Mixture)
        self._names = list(run.task.members)
        self.weights, self.first, self.second = (torch.zeros(len(self._names)) for _ in range(3))
        self.updates = 0
        self._before: dict[str, float] = {}
        self._batches: list[Batch] = []
        if len(self._names) == 1:
            run.say("famo: there is one task, and nothing to weigh it against: nothing is done")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        found = of_each_task(batches, run, inner) if len(self._names) > 1 else []
        self._batches, self._before = list(batches), {own.name: own.mean for own in found}
        if not found:
            return inner(batches)
        shares = balanced(self.weights, self._names, self._before)
        put(summed([{name: part * shares[own.name] for name, part in own.gradient.items()} for own in found]), run)
        return whole(found)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        if not self._before:
            return
        after = losses(self._batches, run)
        fallen = torch.tensor([fall(self._before.get(name), after.get(name)) for name in self._names])
        z = self.weights.softmax(dim=0)
        wanted = z * (fallen - (z * fallen).sum()) + self.decay * self.weights  # J^T d of a softmax
        self.updates += 1
        self.first = BETAS[0] * self.first + (1 - BETAS[0]) * wanted
        self.second = BETAS[1] * self.second + (1 - BETAS[1]) * wanted.square()
        mean, square = (m / (1 - beta**self.updates) for m, beta in zip((self.first, self.second), BETAS, strict=True))
        self.weights = self.weights - self.rate * mean / (square.sqrt() + EPSILON)


def balanced(weights: Tensor, names: Sequence[str], before: dict[str, float]) -> dict[str, float]:
    """By task, c z_i / L_i for the tasks in ``before``, whose sum is 1; ``weights`` are w, (tasks,)."""
    z = dict(zip(names, weights.softmax(dim=0).tolist(), strict=True))
    parts = {name: z[name] / (loss + SMALLEST) for name, loss in before.items()}
    return {name: part / sum(parts.values()) for name, part in parts.items()}


def fall(before: float | None, after: float | None) -> float:
    """By how much the logarithm of a loss fell; 0 where it is not known."""
    known = before is not None and after is not None
    return float(torch.log(torch.tensor([before, after]) + SMALLEST).diff().neg()) if known else 0.0


def losses(batches: Sequence[Batch], run: Run) -> dict[str, float]:
    """The mean loss of each task on the batches of a step as it is now, over all ranks, with the dropout that they had.

    With gradients, which are thrown away: without them attention has no dropout.
    """
    assert isinstance(run.task, Mixture)
    sums = torch.zeros(len(run.task.members), 2, dtype=torch.float64, device=run.device)
    for number, name in enumerate(run.task.members):
        for batch in (batch for batch in batches if batch.notes[PLACE] == name):
            seed_all(seed_of(run.seed, "step", run.clock.step, batch.micro))
            loss = run.task.objective(batch, run.forward)
            sums[number] += torch.stack([loss.sum.detach().double(), torch.tensor(loss.count, dtype=torch.float64, device=run.device)])
    if dist.is_initialized():
        dist.all_reduce(sums)
    return {name: float(total / count) for name, (total, count) in zip(run.task.members, sums, strict=True) if count}
