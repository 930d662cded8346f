"""Importance weighting: training rows that are like those of another domain count more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.core.words import counted
from tunesmith.data.encode import numbers_of
from tunesmith.data.unlabelled import passes, unlabelled
from tunesmith.model.embed import features
from tunesmith.model.weighting import row_weighted

Numbers = npt.NDArray[np.float64]

FOLDS = 5
LEAST = 2  # rows of either domain: each is judged by what was fitted on another


@dataclass
class ImportanceWeighting(Strategy):
    """Weighs each training row by how much likelier it is in another domain, as a classifier of frozen features sees it.

    Formula: w(x) = (p_t(x) / p_s(x))^flatten = (n_s d(x) / (n_t (1 - d(x))))^flatten, d the probability that x is of the target.
    Use when: the domains overlap, and the training rows are too many of one kind; where they have nothing in common few rows count.
    Cost: memory x1, time: a pass over both sets of rows before training.
    Source: Shimodaira 2000, "Improving predictive inference under covariate shift by weighting the log-likelihood function", equation 2.2;
    the ratio by a classifier: Bickel et al. 2007, "Discriminative Learning for Differing Training and Test Distributions", section 4.
    Differs: logistic regression of the model's mean hidden states before tuning, each row judged by a classifier that was not fitted
    on it; weights are cut at ``largest`` and scaled to a mean of 1.
    """

    target: Any = setting("", "rows of the other domain, labels unread: a file (from the working folder), a sample, a hub id or texts")
    flatten: float = setting(
        0.5, "lambda, the power of the ratio: 1 is the ratio itself, with less bias and more noise; 0 is none", low=0, high=1
    )
    largest: float = setting(10.0, "what a row weighs at most, before weights are scaled", low=1)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})

    @classmethod
    def example(cls) -> ImportanceWeighting:
        return cls(
            target=["a good song by a woman", "the good cat in paris", "like a new film , very long", "was it the dog ?"], flatten=1.0
        )

    def begin(self, run: Run) -> None:
        self._weights: Tensor | None = None
        if not self.flatten:
            return
        target = unlabelled(self.target, run, "importance_weighting", "target")
        if min(len(run.train), len(target)) < LEAST:
            message = "importance_weighting: one row of a domain does not tell what is likely in it"
            raise InputError(Problem(message, f"Give {LEAST} rows or more, both under data and as target"))
        source, other = (features(run, passes(rows, run)) for rows in (run.train, target))
        weights = importance(source, other, self.flatten, self.largest, run.seed)
        rows = numbers_of(run.train, "row")
        by_row = np.bincount(rows, weights) / np.bincount(rows)
        self._weights = torch.from_numpy(by_row).float().to(run.device)
        worth = weights.sum() ** 2 / (weights**2).sum()
        span = f"{weights.min():.2g} to {weights.max():.2g}"
        run.say(f"importance_weighting: {counted(len(weights), 'row')} weigh {span}, and count as much as {worth:,.0f} alike ones")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._weights is None:
            return loss
        rows = batch.rows.to(run.device)
        own = (rows >= 0) & (rows < len(self._weights))  # other strategies add rows from elsewhere, below or above the numbers of these
        return row_weighted(loss, torch.where(own, self._weights[torch.where(own, rows, 0)], 1.0), "importance_weighting")


def importance(source: Numbers, target: Numbers, flatten: float, largest: float, seed: int) -> Numbers:
    """What each row of the source weighs, (rows,), from features (rows, hidden) and (others, hidden): 1 on average."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.concatenate([np.zeros(len(source), int), np.ones(len(target), int)])
    folds = StratifiedKFold(max(LEAST, min(FOLDS, len(source), len(target))), shuffle=True, random_state=seed_of(seed, "folds") % 2**32)
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    chances = cross_val_predict(judge, np.concatenate([source, target]), known, cv=folds, method="predict_proba")[: len(source), 1]
    ratio = chances / (1 - chances).clip(1e-9) * len(source) / len(target)
    weights: Numbers = np.minimum(ratio**flatten, largest)
    return np.asarray(weights / weights.mean())
