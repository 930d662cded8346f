"""Group DRO: the group with the highest loss weighs most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.groups import by_example, names_of, names_of_cells, of_batch
from tunesmith.model.divergence import item_losses
from tunesmith.model.weighting import check_rows, row_weighted

SHOWN = 20  # groups whose shares are told


@dataclass
class GroupDRO(Strategy):
    """Weighs groups by how badly they fare, so that the worst of them is learned best; data.columns: {group: COLUMN} says what they are.

    Formula: sum_g q_g L_g, L_g the mean loss of the rows of group g in a step; then q_g = q_g exp(rate * (L_g + adjustment / sqrt(n_g))),
    scaled to a sum of 1, n_g being the training rows of a group. By cell, g is a class within a group.
    Use when: the worst group decides, and groups or cells of class and group differ in size; regularise (early_stop, weight decay), as
    otherwise all groups are learned by heart and none is better for it.
    Cost: memory x1, time x1.
    Source: Sagawa et al. 2020, "Distributionally Robust Neural Networks for Group Shifts", algorithm 1; adjustment: equation 5.
    Differs: a step is weighed by the q before its own losses, which saves a pass; the groups in a step share all of its weight, as rows are
    drawn as they come, where the paper draws groups evenly: balance: {by: cell, power: 0}.
    """

    rate: float = setting(0.01, "eta_q, how fast weights move to the group with the highest loss", above=0)
    by: str = setting("cell", "what is weighed: groups, or cells of class and group", choices=("group", "cell"))
    adjustment: float = setting(0.0, "C, how much more small groups are to be learned by heart; 0 is none", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    @classmethod
    def example(cls) -> GroupDRO:
        return cls(rate=0.5)

    def begin(self, run: Run) -> None:
        self._groups = by_example(run, "group_dro", self.by) if run.train else torch.zeros(0, dtype=torch.int64)
        self._sizes = torch.bincount(self._groups[self._groups >= 0]).float()
        there = (self._sizes > 0).float()  # a class need not be in every group
        self.weights = there / there.sum().clamp_min(1)  # q, (groups,)
        self._each = torch.ones_like(self._sizes)  # what a row of each group weighs in this step
        self._losses = self._sizes.new_zeros(len(self._sizes), 2)  # sum and count of each group in this step

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        counts = torch.zeros_like(self._sizes)
        for batch in batches:
            groups = of_batch(self._groups, batch)
            counts += torch.bincount(groups[groups >= 0], minlength=len(counts))
        self._each = row_weights(self.weights.to(counts), total(counts))
        self._losses = torch.zeros_like(self._losses)
        return inner(batches)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        groups = of_batch(self._groups, batch)
        known = groups >= 0
        each = item_losses(*check_rows(loss, len(batch), "group_dro")).detach().float()
        self._losses.index_add_(0, groups[known], torch.stack([each, torch.ones_like(each)], dim=1)[known])
        return row_weighted(loss, torch.where(known, self._each[groups.clamp_min(0)], 1.0), "group_dro")

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        self.weights = moved(self.weights.to(self._losses), total(self._losses), self.rate, self.adjustment / self._sizes.sqrt())
        inner()
        if run.clock.step + 1 == run.clock.total:
            cells = len(self._sizes)
            names = names_of_cells(run, cells) if self.by == "cell" else names_of(run.train, self._groups.cpu().numpy())
            found = zip(self.weights.tolist(), names, self._sizes.tolist(), strict=True)
            heaviest = sorted(((weight, name) for weight, name, rows in found if rows), reverse=True)[:SHOWN]
            shares = ", ".join(f"{name} {share:.1%}" for share, name in heaviest)
            run.say(f"group_dro: in the end groups have these shares of the loss, the largest first: {shares}")


def row_weights(weights: Tensor, counts: Tensor) -> Tensor:
    """What a row of each group weighs, (groups,), so that groups count by ``weights`` and rows 1 on average; ``counts`` are its rows."""
    shares = torch.where(counts > 0, weights, 0.0)
    return shares / shares.sum().clamp_min(1e-12) * counts.sum() / counts.clamp_min(1)


def moved(weights: Tensor, losses: Tensor, rate: float, margins: Tensor) -> Tensor:
    """The weights after a step, (groups,); ``losses`` (groups, 2) are sums and counts. A group without rows in it is left as it is."""
    sums, counts = losses.unbind(dim=1)
    raised = torch.where(counts > 0, sums / counts.clamp_min(1) + margins, 0.0)
    return (weights.log() + rate * raised).softmax(dim=0)


def total(values: Tensor) -> Tensor:
    """``values`` summed over all ranks."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values
