"""A loss travels as (sum, count) and is divided once per optimizer step, over all micro-batches and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """The sum of a loss over the items that count, and how much they count together.

    ``sum``      scalar tensor in float32, with gradient
    ``count``    how much was summed: rows, labelled tokens, or the sum of their weights; never depends on a random mask
    ``logits``   (items, classes) the scores behind the loss, one row for each counted item, where there are such scores
    ``targets``  (items,) or (items, classes) what the logits were compared with
    ``weights``  (items,) the weight of each item where they differ; their sum is ``count``
    ``parts``    named shares of ``sum``, and what else is summed over the items, for the log (detached)
    """

    sum: Tensor
    count: float
    logits: Tensor | None = None
    targets: Tensor | None = None
    weights: Tensor | None = None
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def mean(self) -> Tensor:
        """The sum by the count; the sum itself, 0 as a rule, where nothing counts."""
        return self.sum / (self.count or 1.0)

    def plus(self, name: str, added: Tensor) -> Loss:
        """The loss with a summed quantity added, ``added`` being a sum over the same items."""
        return replace(self, sum=self.sum + added, parts={**self.parts, name: added.detach() + self.parts.get(name, 0.0)})

    def penalty(self, name: str, value: Tensor) -> Loss:
        """The loss with ``value`` added to its mean: a quantity of the model, not of the items, like a squared norm."""
        return self.plus(name, value * self.count)


def added(losses: Sequence[Loss]) -> Loss:
    """Losses of different items as one: sums and counts are added. It has no logits."""
    parts: dict[str, Tensor] = {}
    for loss in losses:
        parts |= {name: part + parts.get(name, 0.0) for name, part in loss.parts.items()}
    return Loss(torch.stack([loss.sum for loss in losses]).sum(), sum(loss.count for loss in losses), parts=parts)


def average(passes: Sequence[Loss]) -> Loss:
    """The mean of several passes over the same items. Logits, targets and weights are those of the first."""
    share = 1 / len(passes)
    parts = {name: torch.stack([other.parts[name] for other in passes]).sum() * share for name in passes[0].parts}
    return replace(passes[0], sum=torch.stack([other.sum for other in passes]).sum() * share, parts=parts)
