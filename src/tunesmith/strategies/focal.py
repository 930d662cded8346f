"""Focal loss: what is right already counts less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import kind_of, scores, weighted

TINY = 1e-12  # at 0 a power below 1 has no finite gradient


@dataclass
class Focal(Strategy):
    """Lowers the loss of items that the model gets right with confidence, so that training turns to the hard ones.

    Formula: -(1 - p)^gamma * log p, p the probability of the right class; of each of several labels in the same way.
    Use when: most rows are easy or of one class, tags of words above all; noisy labels are hard items too, and suffer from it.
    Cost: memory x1, time x1.
    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4.
    Differs: the factor applies to softmax as well; the paper's alpha is what class weights and class_balanced do.
    """

    gamma: float = setting(2.0, "how strongly easy items lose weight; 0 changes nothing", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    shardable: ClassVar[bool] = True

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.gamma:
            return loss
        logits, targets = scores(loss, "focal")
        if kind_of(targets) == "numbers":
            raise InputError(Problem("focal: the targets are numbers, not labels", "Take focal out of strategies"))
        return loss.plus("focal", weighted(focal_term(logits, targets, self.gamma), loss))


def focal_term(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """What the factor changes in the cross-entropy of each item, ((1 - p)^gamma - 1) * -log p, which is at most 0: (items,).

    ``logits`` (items, classes); ``targets`` (items,) class ids, or (items, labels) in 0 to 1, of which the mean over labels is taken
    """
    if not targets.is_floating_point():
        return _change(F.log_softmax(logits, dim=-1).gather(-1, targets[:, None])[:, 0], gamma)
    yes, no = _change(F.logsigmoid(logits), gamma), _change(F.logsigmoid(-logits), gamma)  # (items, labels)
    return (targets * yes + (1 - targets) * no).mean(dim=-1)


def _change(log_p: Tensor, gamma: float) -> Tensor:
    missing = (-log_p.expm1()).clamp_min(TINY)  # 1 - p
    return (1 - missing.pow(gamma)) * log_p
