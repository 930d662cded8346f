"""KL to base: predictions must stay near those of the model before tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import divergence, scores, weighted
from tunesmith.model.reference import Known, asked_once
from tunesmith.model.substitute import frozen_copy


@dataclass
class KLToBase(Strategy):
    """Holds the predictions near those that the model gave before it was tuned.

    Formula: loss + strength * KL(P || P0), P0 the predictions of the weights that training started from, without dropout.
    Use when: a language model, or a classifier that was tuned before, must learn new data and keep what it can. What a new head predicts
    before tuning is not worth keeping.
    Cost: memory x1.25 (a copy of every weight that can learn), time x1.35 (a pass more, without gradient);
    of rows with a label each the base is asked in the first epoch alone.
    Source: Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences", equation 2.
    Differs: the divergence is computed over all classes at each labelled item; the paper estimates it from samples.
    """

    strength: float = setting(0.1, "weight of the divergence; 0 is none", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    def begin(self, run: Run) -> None:
        self._base: Forward | None = None
        self.known: Known = {}
        if self.strength:
            self._base = Forward(frozen_copy(run.model, run.fixed), run.device, run.forward.dtype)
            if run.fresh:
                run.say("kl_to_base: the model has a new head, so what it predicts before tuning is chance")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._base is None:
            return loss
        model = self._base
        base = asked_once(self.known, batch, run, lambda: scores(run.task.objective(batch, model), "kl_to_base")[0])
        logits, targets = scores(loss, "kl_to_base")
        return loss.plus("kl_to_base", self.strength * weighted(divergence(logits, base, targets), loss))
