"""CORAL: the correlations of features are brought to those of another domain."""

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
from tunesmith.model.domains import both, check_features, correlation_distance, tell_few


@dataclass
class CORAL(Strategy):
    """Adds how far the covariances of the features of the training rows are from those of rows of another domain.

    Formula: L + strength * |C_s - C_t|^2 / (4 d^2), C the covariances of the mean hidden states, d wide, of a batch of each domain.
    Use when: labels are of one domain, the model is for another, of which there are rows without labels; it has no kernel to choose.
    Batches of 16 rows or more.
    Cost: memory x2, time x2: as many rows of the target go through the model.
    Source: Sun and Saenko 2016, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", equations 1 to 3 and 7.
    Differs: features are what the body gives rather than the logits; since the term is divided by 4 d^2, its usual strength is large. The
    square is the product of what either half of the rows says, which small batches do not bias.
    """

    target: Any = setting("", "rows of the other domain, labels unread: a file (from the working folder), a sample, a hub id or texts")
    strength: float = setting(100.0, "lambda, the weight of the distance; so that it ends near the loss of the task, 0 is none", low=0)

    compares: ClassVar[bool] = True
    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> CORAL:
        return cls(target=["a slow song by a woman", "the small cat in paris", "like a new song , very long", "was it the dog ?"])

    def begin(self, run: Run) -> None:
        self._target: Encoded | None = None
        self.told = False
        if self.strength:
            check_features(run.model, "coral")
            self._target = unlabelled(self.target, run, "coral", "target")
            tell_few(run, "coral", "a target", len(self._target))

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self._target is None:
            return inner(batch)
        if not self.told:
            self.told = True
            tell_few(run, "coral", "a micro-batch", len(batch))
        other = batch_of(drawn(self._target, len(batch), run, "coral"), run)
        loss, source, target = both(batch, other, run, inner)
        return loss.penalty("coral", self.strength * correlation_distance(source, target))
