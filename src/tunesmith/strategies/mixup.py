"""Mixup: the model learns between its training rows, from mixtures of two of them and of their labels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import item_losses, weighted
from tunesmith.model.perturb import changing, check_embeddings
from tunesmith.model.weighting import check_rows


@dataclass
class Mixup(Strategy):
    """Replaces each row of a batch by its mixture with another row, and its label by the mixture of both labels.

    Formula: x = m x_i + (1 - m) x_j, loss = m L(f(x), y_i) + (1 - m) L(f(x), y_j), m drawn from Beta(alpha, alpha) for each micro-batch.
    Use when: a classifier is too sure of itself, or has few rows; beside augment it adds little.
    Cost: memory x1, time x1; with words nothing is kept below the frontier, and rows are as long as the longest of both.
    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", equation 1; words and sentences: Guo et al. 2019,
    "Augmenting Data with Mixup for Sentence Classification", equations 1 to 4.
    Differs: sentences are mixed by their logits: as the last layer is linear, that is the same as mixing what it gets. Words are mixed
    before positions are added, which is the same too.
    """

    alpha: float = setting(0.4, "of the Beta distribution: 0 is no mixture, 1 any share alike, more is near halves", low=0)
    level: str = setting(
        "words", "what is mixed: the embeddings of words, or sentences before the last layer", choices=("words", "sentences")
    )

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "labels of whole texts"})
    owns: ClassVar[frozenset[str]] = frozenset({"the label of each row of a batch"})
    compares: ClassVar[bool] = True
    perturbs: ClassVar[bool] = True

    def begin(self, run: Run) -> None:
        if self.alpha and self.level == "words":
            check_embeddings(run.model, "mixup")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if not self.alpha or len(batch) == 1:
            return inner(batch)
        draw = np.random.default_rng(seed_of(run.seed, "mixup", run.clock.step, run.micro))
        share, partner = float(draw.beta(self.alpha, self.alpha)), torch.from_numpy(draw.permutation(len(batch))).to(run.device)
        words = self.level == "words"
        given = together(batch, partner) if words else batch
        with changing(run.model, lambda embedded, real: mixed(embedded, partner, share)) if words else nullcontext():
            loss = inner(given)
        logits, targets = check_rows(loss, len(batch), "mixup")
        plain = weighted(item_losses(logits, targets), loss)
        mixture = logits if words else mixed(logits, partner, share)
        own, other = (replace(loss, weights=None if loss.weights is None else loss.weights[rows]) for rows in (slice(None), partner))
        both = share * weighted(item_losses(mixture, targets), own) + (1 - share) * weighted(item_losses(mixture, targets[partner]), other)
        return loss.plus("mixup", both - plain)


def mixed(values: Tensor, partner: Tensor, share: float) -> Tensor:
    """``share`` of each row of ``values`` and the rest of its partner: (batch, ...)."""
    return share * values + (1 - share) * values[partner]


def together(batch: Batch, partner: Tensor) -> Batch:
    """The batch where each row attends to all positions that it or its partner has."""
    mask: Any = batch.inputs.get("attention_mask")
    return batch if mask is None else replace(batch, inputs=batch.inputs | {"attention_mask": torch.maximum(mask, mask[partner])})
