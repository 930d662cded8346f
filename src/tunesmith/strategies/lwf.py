"""Learning without forgetting: on the new rows, the model goes on to answer as it did before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.past import no_past
from tunesmith.model.divergence import divergence, kind_of, scores, weighted
from tunesmith.model.reference import Known, asked_once
from tunesmith.model.substitute import frozen_copy


@dataclass
class LwF(Strategy):
    """Keeps the answers that the model of the stage before gives to the new rows, beside the new labels; no row of the past is needed.

    Formula: loss + strength * KL(softmax(z0/T) || softmax(z/T)), z0 the logits of the model as the stage began, over labels of the past.
    Use when: stages follow one another and share their labels or an extended set of them, and no row of the past may be kept.
    Cost: memory: the weights once more; time x1.33, a pass without gradient more, of rows with a label each in the first epoch
    alone.
    Source: Li and Hoiem 2016, "Learning without Forgetting", equations 2 and 3.
    Differs: the divergence in place of the cross-entropy, which has the same gradient; of several labels each is kept apart, and of numbers
    the squared difference. One head over all labels takes the place of a new one for each stage.
    """

    strength: float = setting(1.0, "lambda_o, weight of the earlier answers; 0 is none", low=0)
    temperature: float = setting(2.0, "T, what logits are divided by: above 1 the smaller probabilities count more", above=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    def begin(self, run: Run) -> None:
        self._before: Forward | None = None
        self.known: Known = {}
        self._labels: list[int] = []
        if not self.strength or (self._past is not None and not self._past.rows):
            run.say(no_past("lwf", self.strength))
            return
        if run.fresh:
            run.say("lwf: the model has a new head, so what it answers before training is chance")
        module = frozen_copy(run.model, run.fixed).to(run.device).eval().requires_grad_(False)
        self._before = Forward(module, run.device, run.forward.dtype)
        labels = {row.get("label") for part in (self._past.rows if self._past else ()) for row in part}
        self._labels = sorted(label for label in labels if isinstance(label, int))

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._before is None:
            return loss
        model = self._before
        before = asked_once(self.known, batch, run, lambda: scores(run.task.objective(batch, model), "lwf")[0])
        now, targets = scores(loss, "lwf")
        return loss.plus("lwf", self.strength * weighted(kept(before, now, targets, self.temperature, self._labels), loss))


def kept(before: Tensor, now: Tensor, targets: Tensor, temperature: float, known: list[int]) -> Tensor:
    """How far the answers ``now`` are from those ``before``, (items,); of classes over the ``known`` ones alone, or all where none is."""
    kind = kind_of(targets)
    if kind == "classes" and known:
        before, now = before[:, known], now[:, known]
    scale = 1.0 if kind == "numbers" else temperature
    return divergence(before / scale, now / scale, targets)
