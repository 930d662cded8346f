"""FGM: training on the inputs and on the worst inputs nearby."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.perturb import Perturbation, check_embeddings, direction, zeros


@dataclass
class FGM(Strategy):
    """Adds the loss at the input embeddings moved a step along their gradient, where it grows fastest.

    Formula: L(x) + strength * L(x + radius * g / ||g||), g = grad_x L(x) of each item, x its input embeddings.
    Use when: a classifier over-fits few data and twice the time is affordable; the simplest of the adversarial regularisers.
    Cost: memory x1.25 (a copy of the gradient), time x2.
    Source: Miyato, Dai and Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text Classification", equations 2 and 5.
    Differs: embeddings are not normalised, so the radius is in their own units, in which each token is about 1 long: the paper's 5 is less
    than a tenth of a long text, and 1 was too much for texts of 32 tokens (36 points); both passes see the same dropout masks.
    """

    strength: float = setting(1.0, "weight of the adversarial loss; 0 runs one pass only", low=0)
    radius: float = setting(0.1, "Euclidean length of the step of each item, over all its embeddings together", above=0)

    perturbs: ClassVar[bool] = True

    def begin(self, run: Run) -> None:
        check_embeddings(run.model, "fgm")
        self._adversaries: dict[int, Perturbation] | None = None  # by micro-batch, while a step is computed

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        if not self.strength:
            return inner(batches)
        self._adversaries = {}
        try:
            plain = inner(batches)
            first = {name: w.grad.clone() for name, w in run.learning().items() if w.grad is not None}
            for adversary in self._adversaries.values():
                adversary.move(lambda old, gradient: self.radius * direction(gradient))
            adversarial = inner(batches)
        finally:
            self._adversaries = None
        add_gradients(run, first, self.strength)
        return plain.plus("fgm", self.strength * adversarial.sum)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self._adversaries is None or batch.micro is None:  # rows of the past are in no step
            return inner(batch)
        with self._adversaries.setdefault(batch.micro, Perturbation(zeros)).on(run.model):
            return inner(batch)


def add_gradients(run: Run, first: dict[str, Tensor], strength: float) -> None:
    """Leave ``first`` plus ``strength`` times what is in ``.grad`` in ``.grad``."""
    for name, w in run.learning().items():
        if w.grad is not None:
            w.grad.mul_(strength)
            if name in first:
                w.grad.add_(first[name])
