"""R-Drop: two passes with different dropout must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import TunesmithError
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class RDrop(Strategy):
    """Runs every batch twice under different dropout masks and asks both predictions to be the same distribution.

    Formula: (nll(P1) + nll(P2)) / 2 + strength / 2 * (KL(P1 || P2) + KL(P2 || P1)).
    Use when: data are few and the model over-fits; it is one of the strongest regularisers for classification. The model needs dropout.
    Cost: memory x2 (the activations of two passes), time x2.
    Source: Liang, Wu, Li et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", equations 2 to 4.
    Differs: the two likelihoods are averaged as in the authors' code, not added; labels (sigmoid) and numbers have their own divergence.
    """

    strength: float = setting(1.0, "alpha, the weight of the divergence; 0.5 to 5 is usual, 0 runs one pass only", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        first = inner(batch)
        if not self.strength:
            return first
        second = inner(batch)
        divergences = divergence(first, second)  # (items,)
        if run.clock.step == 0 and run.micro == 0 and not divergences.any():
            run.say("r_drop: both passes agree exactly, so it does nothing; the model has no dropout")
        if first.weights is not None:
            divergences = divergences * first.weights
        parts = {name: (part + second.parts[name]) / 2 for name, part in first.parts.items()}
        both = replace(first, sum=(first.sum + second.sum) / 2, parts=parts)
        return both.plus("r_drop", self.strength * divergences.sum())


def divergence(first: Loss, second: Loss) -> Tensor:
    """How far the predictions of two passes are apart, for each item: (items,).

    The kind of the targets tells what is predicted: class ids a distribution over classes, a table of labels one Bernoulli
    variable each, and plain numbers the mean of a normal distribution.
    """
    p, q, targets = first.logits, second.logits, first.targets
    if p is None or q is None or targets is None:
        raise TunesmithError("r_drop: the task offers logits, but its loss came without logits or targets")
    if not targets.is_floating_point():
        return symmetric_kl(p, q)
    return symmetric_bernoulli_kl(p, q) if targets.dim() == 2 else (p - q).square().sum(dim=-1)


def symmetric_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """(KL(P || Q) + KL(Q || P)) / 2 of two categorical distributions given by logits (..., classes): (...)."""
    p, q = F.log_softmax(p_logits, dim=-1), F.log_softmax(q_logits, dim=-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(dim=-1) / 2


def symmetric_bernoulli_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """The same of independent Bernoulli variables given by logits (..., labels), as the mean over labels: (...)."""
    return ((p_logits.sigmoid() - q_logits.sigmoid()) * (p_logits - q_logits)).mean(dim=-1) / 2
