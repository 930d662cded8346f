"""FreeLB: several steps of an adversary on the input embeddings, each of which trains the model too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss, average
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.perturb import Perturbation, check_embeddings, direction, uniform, within


@dataclass
class FreeLB(Strategy):
    """Lets an adversary move the input embeddings uphill, step by step, and averages the gradients of the weights on the way.

    Formula: mean over t < num_steps of grad L(x + d(t)), d(t+1) = P(d(t) + step * g / ||g||), g = grad_d L(x + d(t)), P: ||d|| <= radius.
    Use when: a classifier or a reader of texts over-fits and three times the time is affordable; stronger than FGM on most tasks.
    Cost: memory x1.25 (a copy of the gradient), time x num_steps.
    Source: Zhu et al. 2020, "FreeLB: Enhanced Adversarial Training for Natural Language Understanding", algorithm 1 and section 3.3.
    Differs: d(0) is drawn with the radius, as in the algorithm; the authors' code has a setting of its own for it.
    """

    radius: float = setting(0.3, "largest Euclidean length of the perturbation of an item; 0 is plain training", low=0)
    step_size: float = setting(0.1, "length of a step of the adversary", above=0)
    num_steps: int = setting(3, "passes over each batch; 2 to 5 is usual", low=1)

    perturbs: ClassVar[bool] = True

    @classmethod
    def example(cls) -> FreeLB:
        return cls(num_steps=2)

    def begin(self, run: Run) -> None:
        check_embeddings(run.model, "freelb")
        self._adversaries: dict[int, Perturbation] | None = None  # by micro-batch, while a step is computed

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        if not self.radius:
            return inner(batches)
        self._adversaries, losses, sums = {}, list[Loss](), dict[str, Tensor]()
        try:
            for _ in range(self.num_steps):
                losses.append(inner(batches))
                for name, w in run.learning().items():
                    if w.grad is not None:
                        sums[name] = sums[name].add_(w.grad) if name in sums else w.grad.clone()
                for adversary in self._adversaries.values():
                    adversary.move(partial(ascended, step_size=self.step_size, radius=self.radius))
        finally:  # also when memory runs out, after which the step is tried again
            self._adversaries = None
        for name, total in sums.items():
            run.learning()[name].grad = total.div_(self.num_steps)
        return average(losses)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self._adversaries is None or batch.micro is None:  # rows of the past are in no step
            return inner(batch)
        # A generator of its own: every pass must go on with the same random numbers, and so with the same dropout masks.
        start = partial(uniform, radius=self.radius, generator=run.generator("freelb"))
        with self._adversaries.setdefault(batch.micro, Perturbation(start)).on(run.model):
            return inner(batch)


def ascended(delta: Tensor, gradient: Tensor, step_size: float, radius: float) -> Tensor:
    """``delta`` (batch, ...) moved by ``step_size`` along the gradient of each item, and back into the ball of ``radius``."""
    return within(delta + step_size * direction(gradient), radius)
