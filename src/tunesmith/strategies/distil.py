"""Distillation: a student learns from what a teacher predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import Named, setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import divergence, kind_of, scores, weighted
from tunesmith.model.reference import Known, asked_once
from tunesmith.model.substitute import frozen_copy
from tunesmith.model.teacher import taught


@dataclass
class Distil(Strategy):
    """Learns from the probabilities of a teacher, which say more than the labels: how like each other the classes are.

    Formula: (1 - mix) * loss + mix * T^2 * KL(softmax(z'/T) || softmax(z/T)), z, z' the logits of student and teacher, T the temperature.
    Use when: a large model was tuned and a small one is to be used; without a teacher the model is held to what it was.
    Cost: memory: the teacher's weights more; time x1.33 with a teacher of the same size, whose passes have no gradient;
    of rows with a label each it is asked in the first epoch alone.
    Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section 2; Li and Hoiem 2016, "Learning without
    Forgetting", equation 2.
    Differs: of several labels each is distilled apart; of numbers the squared difference is taken, and no temperature.
    """

    teacher: Named = setting("", "a run, folder, hub id or sample, with the student's tokenizer; the model before tuning when not said")
    mix: float = setting(0.5, "share of the teacher in the loss, 0 to 1; the rest is for all that the loss holds else", low=0, high=1)
    temperature: float = setting(2.0, "what logits are divided by: above 1 the smaller probabilities count more", above=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    def begin(self, run: Run) -> None:
        self._teacher: Forward | None = None
        self.known: Known = {}
        if self.mix:
            module = taught(self.teacher, run, "distil").module if self.teacher else frozen_copy(run.model, run.fixed)
            module = module.to(run.device).eval().requires_grad_(False)
            self._teacher = Forward(module, run.device, run.forward.dtype)
            if run.fresh and not self.teacher:
                run.say("distil: the model has a new head, so what it predicts before tuning is chance; name a teacher")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._teacher is None:
            return loss
        model = self._teacher
        teacher = asked_once(self.known, batch, run, lambda: scores(run.task.objective(batch, model), "distil")[0])
        student, targets = scores(loss, "distil")
        items = softened(teacher, student, targets, self.temperature)
        rest = {name: part * (1 - self.mix) for name, part in loss.parts.items()}
        return replace(loss, sum=loss.sum * (1 - self.mix), parts=rest).plus("distil", self.mix * weighted(items, loss))


def softened(teacher: Tensor, student: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(teacher || student) of predictions at temperature T, for each item: (items,)."""
    if kind_of(targets) == "numbers":
        return divergence(teacher, student, targets)
    return temperature**2 * divergence(teacher / temperature, student / temperature, targets)
