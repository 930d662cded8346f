"""Metrics of what is rare and to be found among many: the replaced tokens of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tunesmith.metrics.classify import classification
from tunesmith.metrics.entities import f1_of
from tunesmith.metrics.interval import Rows, over_sums


def detection(truth: Sequence[int], chances: Sequence[float]) -> dict[str, Any]:
    """``precision``, ``recall`` and ``f1`` of what is found, a chance of 0.5 being enough, beside those of all decisions together.

    ``truth`` (items,) is 1 for what is to be found and 0 for the rest, ``chances`` (items,) how likely each was held to be that.
    ``accuracy``, ``auc`` and ``log_loss`` are of both classes; ``share`` is that of what is to be found, ``items`` their number.
    """
    if not len(truth):
        return {}
    found = np.asarray(chances, float)
    scores = classification(truth, found >= 0.5, np.stack([1 - found, found], axis=1), ("rest", "found"))
    of_found: dict[str, Any] = {name: scores["per_class"]["found"][name] for name in ("precision", "recall", "f1")}
    of_both: dict[str, Any] = {name: scores[name] for name in ("accuracy", "auc", "log_loss") if name in scores}
    return {**of_found, **of_both, "share": sum(truth) / len(truth), "items": len(truth)}


def found_over(truths: Sequence[Sequence[int]], chances: Sequence[Sequence[float]]) -> Callable[[Rows], float]:
    """``f1`` of ``detection`` over rows that have several items each, as a function of their numbers."""
    rows = [(np.asarray(truth, bool), np.asarray(own, float) >= 0.5) for truth, own in zip(truths, chances, strict=True)]
    return over_sums([(np.sum(truth & found), np.sum(found), np.sum(truth)) for truth, found in rows], f1_of)
