"""MMD: features of the training rows and of another domain are brought to one distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.encode import Encoded
from tunesmith.data.unlabelled import batch_of, drawn, unlabelled
from tunesmith.model.domains import both, check_features, mean_discrepancy, tell_few


@dataclass
class MMD(Strategy):
    """Adds how far the features of the training rows and of rows of another domain are apart: their maximum mean discrepancy.

    Formula: L + strength * (mean k(s, s') + mean k(t, t') - 2 mean k(s, t)), k the mean of five Gaussian kernels, s and t the mean hidden
    states of rows of the source and of the target, s' and t' those of other rows.
    Use when: labels are of one domain, the model is for another, of which there are rows without labels. Batches of 16 rows or more.
    Cost: memory x2, time x2: as many rows of the target go through the model.
    Source: Long et al. 2015, "Learning Transferable Features with Deep Adaptation Networks", equations 2 to 4; Gretton et al. 2012.
    Differs: all pairs of different rows of a micro-batch are compared, not every other one; kernels weigh alike, and are of the last layer
    alone.
    """

    target: Any = setting("", "rows of the other domain, labels unread: a file (from the working folder), a sample, a hub id or texts")
    strength: float = setting(0.3, "lambda, the weight of the discrepancy; 0 is none", low=0)

    compares: ClassVar[bool] = True
    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> MMD:
        return cls(target=["a slow song by a woman", "the small cat in paris", "like a new song , very long", "was it the dog ?"])

    def begin(self, run: Run) -> None:
        self._target: Encoded | None = None
        self.told = False
        if self.strength:
            check_features(run.model, "mmd")
            self._target = unlabelled(self.target, run, "mmd", "target")
            tell_few(run, "mmd", "a target", len(self._target))

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self._target is None:
            return inner(batch)
        if not self.told:
            self.told = True
            tell_few(run, "mmd", "a micro-batch", len(batch))
        other = batch_of(drawn(self._target, len(batch), run, "mmd"), run)
        loss, source, target = both(batch, other, run, inner)
        return loss.penalty("mmd", self.strength * mean_discrepancy(source, target))
