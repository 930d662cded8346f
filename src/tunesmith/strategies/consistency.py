"""Consistency: what the model is sure of, it must say of changed words too, also of rows without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.encode import Encoded
from tunesmith.data.rewriting import CHANGES, Rewriter
from tunesmith.data.units import Units, longest
from tunesmith.data.unlabelled import batch_of, drawn, unlabelled
from tunesmith.model.divergence import divergence, kind_of
from tunesmith.model.weighting import check_rows

HARD = 1e-4  # the temperature that leaves the likeliest class alone
SURE: dict[str, Callable[[Tensor], Tensor]] = {  # kind of targets -> how sure logits (rows, ...) are of each row
    "classes": lambda logits: logits.softmax(dim=1).amax(dim=1),
    "labels": lambda logits: logits.abs().sigmoid().amin(dim=1),
    "numbers": lambda values: torch.ones(len(values), device=values.device),
}


@dataclass
class Consistency(Strategy):
    """Trains on rows without labels: where the model is sure of a row, it must predict the same of the row with changed words.

    Formula: L + strength * mean [max p(u) >= threshold] KL(p(u)^(1/temperature) || f(u')), u' the row u with some words changed, p = f(u)
    without gradient.
    Use when: labels are few, and rows without labels many and of the same kind; with the rows of the run alone it only smooths.
    Cost: memory x1 + ratio, time x1 + 1.3 * ratio.
    Source: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training", equation 1 and section 2.3; hard labels: Sohn et al.
    2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", equations 3 and 4.
    Differs: words are changed as augment does, rather than by translation; the plain row is the weak view, seen with dropout. Of several
    labels each must be sure; of numbers all count, by the squared difference.
    """

    unlabelled: Any = setting("", "rows without labels: a file (from the working folder), a sample, a hub id or texts")
    strength: float = setting(1.0, "lambda, the weight of the term; 0 is none", low=0)
    threshold: float = setting(0.8, "how sure the model must be of a row, 0 to 1; UDA takes 0.8, FixMatch 0.95", low=0, high=1)
    temperature: float = setting(0.4, "what logits are divided by; 0 takes the likeliest class for a label, as FixMatch does", low=0)
    ratio: float = setting(1.0, "rows without labels for each row with one", above=0)
    alpha: float = setting(0.1, "share of the words that are changed, one at least", above=0, high=0.9)
    operations: list[str] = setting(
        factory=lambda: ["delete", "swap"], text="how words are changed: as in augment, one of these for each row", choices=tuple(CHANGES)
    )

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "labels of whole texts"})
    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Consistency:
        texts = ["a slow song by a woman", "the small cat in paris", "like a new song , very long", "was it the dog ?"]
        return cls(texts, threshold=0.3, alpha=0.3)

    def begin(self, run: Run) -> None:
        self._rows: Encoded | None = None
        self.acted = False  # whether the model was sure of any row so far
        if self.strength:
            self._rows = unlabelled(self.unlabelled, run, "consistency", "unlabelled")
            self._rewriter = Rewriter(
                Units(run.tokenizer), tuple(self.operations), self.alpha, max(longest(run.train), longest(self._rows))
            )

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._rows is None:
            return loss
        _, targets = check_rows(loss, len(batch), "consistency")
        rows = drawn(self._rows, max(1, round(self.ratio * len(batch))), run, "consistency")
        draw = np.random.default_rng(seed_of(run.seed, "consistency", run.clock.step, run.micro))
        with torch.no_grad():
            plain = run.forward(batch_of(rows, run)).logits.float()
        changed = run.forward(batch_of([self._rewriter(row, draw) for row in rows], run)).logits.float()
        term = inconsistency(plain, changed, targets, self.threshold, self.temperature)
        self.acted = self.acted or bool(term > 0)
        return loss.penalty("consistency", self.strength * term)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        if self._rows is not None and not self.acted and run.clock.step + 1 == run.clock.total:
            never = f"the model was never as sure of one as threshold asks ({self.threshold:g})"
            run.say(f"consistency: NOTHING IS LEARNED from the rows without labels: {never}; lower it, or train longer")


def inconsistency(plain: Tensor, changed: Tensor, targets: Tensor, threshold: float, temperature: float) -> Tensor:
    """The mean over rows of KL(plain sharpened || changed), 0 for rows whose ``plain`` logits are not sure enough: a scalar.

    ``targets`` tell the kind of the logits, as in ``model/divergence.py``.
    """
    kind = kind_of(targets)
    sharp = plain if kind == "numbers" else plain / max(temperature, HARD)
    sure = SURE[kind](plain) >= threshold
    return (divergence(sharp, changed, targets) * sure).mean()
