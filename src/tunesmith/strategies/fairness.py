"""Fairness: groups are to get the same scores, on average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.groups import by_example, of_batch
from tunesmith.model.divergence import kind_of
from tunesmith.model.weighting import check_rows

# What is to be the same in all groups -> the rows (rows, decisions) over which scores are averaged, from who has each label
AMONG: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "demographic_parity": lambda wanted: [torch.ones_like(wanted)],
    "equal_opportunity": lambda wanted: [wanted],
    "equalised_odds": lambda wanted: [wanted, 1 - wanted],
}


@dataclass
class Fairness(Strategy):
    """Adds to the loss how far the mean scores of groups are apart, groups being values of the column data.columns: {group: COLUMN}.

    Formula: L + strength * mean |E_g p(c) - E_h p(c)| over labels c and pairs of groups g, h; demographic_parity: E_g is over all rows of a
    group, equal_opportunity: over those that have c, equalised_odds: over those, and over those that have it not. Of two labels c is the
    second.
    Use when: the audit of a run shows a gap between groups that its use does not bear; group_dro where the worst group decides.
    Cost: memory x1, time x1.
    Source: Padala and Gujar 2020, "FNNC: Achieving Fairness through Neural Networks", section 3; the notions: Hardt et al. 2016,
    "Equality of Opportunity in Supervised Learning", definitions 2.1 and 2.2.
    Differs: the strength is given, where the paper learns it as a Lagrange multiplier of a bound; groups may be many; a gap is that of a
    micro-batch, so that large ones say more, and one without two groups in it adds nothing.
    """

    strength: float = setting(1.0, "lambda, the weight of the gap beside the loss; 0 is none", low=0)
    equal: str = setting("equalised_odds", "what groups are to have alike", choices=tuple(AMONG))

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    compares: ClassVar[bool] = True

    def begin(self, run: Run) -> None:
        self._groups: Tensor | None = by_example(run, "fairness") if self.strength and run.train else None
        self.looked, self.alone = 0, 0

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._groups is None:
            return loss
        scores, wanted = decisions(*check_rows(loss, len(batch), "fairness"))
        found = gap(scores, AMONG[self.equal](wanted), of_batch(self._groups, batch))
        self.looked, self.alone = self.looked + 1, self.alone + (found is None)
        return loss if found is None else loss.penalty("fairness", self.strength * found)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        if self.alone and self.alone == self.looked and run.clock.step + 1 in (run.clock.steps_per_epoch, run.clock.total):
            run.say(
                f"fairness: nothing was done in {self.looked:,} micro-batches, as none held two groups to compare; raise "
                "training.batch_size, or draw rows evenly: balance: {by: cell}"
            )


def decisions(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How likely each label is, and whether a row has it, (rows, decisions) each; of two classes the second. ``InputError`` for numbers."""
    kind = kind_of(targets)
    if kind == "numbers":
        raise InputError(Problem("fairness: the answers of this task are no labels", "Take fairness out of strategies"))
    if kind == "labels":
        return logits.sigmoid(), targets
    first = 1 if logits.shape[1] == 2 else 0
    return logits.softmax(dim=1)[:, first:], F.one_hot(targets, logits.shape[1]).to(logits)[:, first:]


def gap(scores: Tensor, among: list[Tensor], groups: Tensor) -> Tensor | None:
    """The mean difference between two groups in their mean scores, a scalar; None where no two groups have rows to average.

    ``scores`` (rows, decisions); ``among`` tables of the same shape, each telling by 0 and 1 over which rows is averaged; ``groups``
    (rows,) numbers, below 0 for rows that are of none.
    """
    known = groups >= 0
    if not known.any():
        return None
    members = F.one_hot(groups[known]).to(scores).T  # (groups, rows)
    counts = torch.cat([members @ part[known] for part in among], dim=1)  # (groups, decisions)
    sums = torch.cat([members @ (part * scores)[known] for part in among], dim=1)
    means = sums / counts.clamp_min(1)
    one, other = torch.triu_indices(len(members), len(members), offset=1, device=scores.device)
    both = (counts[one] > 0) & (counts[other] > 0)  # (pairs, decisions)
    return (means[one] - means[other]).abs()[both].mean() if both.any() else None
