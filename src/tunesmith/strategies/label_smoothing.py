"""Label smoothing: the target keeps a little probability for every class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import kind_of, scores, weighted


@dataclass
class LabelSmoothing(Strategy):
    """Mixes each target with the uniform distribution, so that the model is not driven to be certain.

    Formula: H((1 - strength) * y + strength * u, P), u = 1 / K for one of K classes and 1 / 2 for each of several labels.
    Use when: labels are noisy, or probabilities are wanted that are less over-confident; 0.1 is usual.
    Cost: memory x1, time x1.
    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", section 7.
    Differs: with class weights the whole term of an item has the weight of its class; torch weights the uniform part class by class.
    """

    strength: float = setting(
        0.1, "probability moved from the target to all classes alike, 0 to below 1; 0 changes nothing", low=0, high=0.99
    )

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    shardable: ClassVar[bool] = True

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.strength:
            return loss
        logits, targets = scores(loss, "label_smoothing")
        if kind_of(targets) == "numbers":
            raise InputError(Problem("label_smoothing: the targets are numbers, not labels", "Take label_smoothing out of strategies"))
        return loss.plus("label_smoothing", self.strength * weighted(smoothing_term(logits, targets), loss))


def smoothing_term(logits: Tensor, targets: Tensor) -> Tensor:
    """What smoothing adds to the cross-entropy of each item, per unit of strength: (items,).

    The normaliser of the softmax cancels: H(u, P) - H(y, P) is the logit of the target minus the mean logit. In the same way a
    Bernoulli variable with target y and logit z adds (y - 1/2) z; the mean is taken over labels, as the cross-entropy of labels does.

    ``logits`` (items, classes); ``targets`` (items,) class ids, or (items, classes) labels in 0 to 1
    """
    if targets.is_floating_point():
        return ((targets - 0.5) * logits).mean(dim=-1)
    return logits.gather(-1, targets[:, None])[:, 0] - logits.mean(dim=-1)
