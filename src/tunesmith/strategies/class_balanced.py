"""Class-balanced loss: rare classes weigh more, by how many samples theirs are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from tunesmith.model.divergence import item_losses, kind_of, scores, weighted

CHUNK = 256  # training items that are looked at together


@dataclass
class ClassBalanced(Strategy):
    """Weighs the loss of each item by the inverse of the effective number of training items of its class.

    Formula: w(c) = (1 - beta) / (1 - beta^n(c)), n(c) the training items of class c, scaled so that the mean weight of an item is 1.
    Use when: classes differ much in size and each matters as much as the other (a macro average decides).
    Cost: memory x1, time x1; the training items are counted once.
    Source: Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", equations 2 and 3.
    Differs: the paper scales weights so that they sum to the number of classes; of several labels each weighs as much as its own class.
    """

    beta: float = setting(0.999, "0 weighs all items alike, near 1 by 1 / n(c); 0.9 to 0.9999 is usual", low=0, high=0.999999)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    shardable: ClassVar[bool] = True

    def begin(self, run: Run) -> None:
        self._weights: Tensor | None = None

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.beta:
            return loss
        logits, targets = scores(loss, "class_balanced")
        if self._weights is None:
            counts = class_counts(run, logits.shape[-1], kind_of(targets))
            self._weights = class_weights(counts, self.beta).to(logits)
        return reweighted(loss, logits, targets, self._weights)


def class_weights(counts: Tensor, beta: float) -> Tensor:
    """The weight of each class (classes,) from how many items it has (classes,): on the average of all items it is 1."""
    weights = (1 - beta) / (1 - beta ** counts.double().clamp_min(1))
    return (weights * counts.sum() / (weights * counts).sum()).float()


def reweighted(loss: Loss, logits: Tensor, targets: Tensor, weights: Tensor) -> Loss:
    """The loss with each item weighted by its class, or each label by its own. What other strategies added stays as it is in the mean."""
    plain = item_losses(logits, targets)
    if targets.is_floating_point():  # the mean over labels becomes a weighted one
        each = F.binary_cross_entropy_with_logits(logits, targets, weights, reduction="none").mean(dim=-1)
        return loss.plus("class_balanced", weighted(each - plain, loss))
    items = weights[targets] if loss.weights is None else weights[targets] * loss.weights
    count = float(items.sum())
    rest = loss.sum - weighted(plain, loss)
    return replace(loss, sum=(items * plain).sum() + rest * (count / loss.count), count=count, weights=items)


def class_counts(run: Run, num_classes: int, kind: str) -> Tensor:
    """How many training items each class has, (classes,). Raises ``InputError`` for a task whose targets are no classes."""
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for start in range(0, len(run.train), CHUNK):
        items = [run.train[item] for item in range(start, min(start + CHUNK, len(run.train)))]
        labels = run.task.collate(items, run.tokenizer).targets.get("labels")
        if labels is None or kind == "numbers":
            raise InputError(Problem("class_balanced: the task has no classes", "Take class_balanced out of strategies"))
        found = labels[labels >= 0]  # what is not counted has a negative label
        counts += labels.sum(dim=0).long() if kind == "labels" else torch.bincount(found.long(), minlength=num_classes)
    return counts
