"""R-Drop: two passes with different dropout must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss, average
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import scores, symmetric_divergence, weighted


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
    shardable: ClassVar[bool] = True

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        first = inner(batch)
        if not self.strength:
            return first
        second = inner(batch)
        (p, targets), (q, _) = scores(first, "r_drop"), scores(second, "r_drop")
        divergences = symmetric_divergence(p, q, targets)  # (items,)
        if run.clock.step == 0 and run.micro == 0 and not divergences.any():
            run.say("r_drop: both passes agree exactly, so it does nothing; the model has no dropout")
        return average([first, second]).plus("r_drop", self.strength * weighted(divergences, first))
