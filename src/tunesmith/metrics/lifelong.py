"""What learning one task after another does to those learned before, from the table of scores after each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def lifelong(table: npt.ArrayLike, untrained: npt.ArrayLike, higher_is_better: bool = True) -> dict[str, Any]:
    """Every measure of this file by name, as JSON values; None where a single task leaves nothing to compare."""
    table = np.asarray(table, float)
    sign = 1.0 if higher_is_better else -1.0
    several = len(table) > 1
    return {
        "average": average_score(table),
        "forgetting": forgetting(sign * table) if several else None,
        "backward_transfer": sign * backward_transfer(table) if several else None,
        "forward_transfer": sign * forward_transfer(table, untrained) if several else None,
    }


def average_score(table: npt.ArrayLike) -> float:
    """``A = mean_j R[T, j]``: the mean score over all tasks at the end. ``table`` (tasks, tasks): row i after task i was learned.

    Source: Lopez-Paz & Ranzato 2017, "Gradient Episodic Memory for Continual Learning", equation 2 (ACC).
    """
    return float(np.asarray(table, float)[-1].mean())


def forgetting(table: npt.ArrayLike) -> float:
    """``F = mean_{j < T} (max_{i < T} R[i, j] - R[T, j])``: how much better the earlier tasks once were than at the end.

    Higher scores are better; of several tasks, two at least. Scores before a task was learned count too, as in the paper.

    Source: Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning", section 3.2.
    """
    table = np.asarray(table, float)
    return float((table[:-1, :-1].max(axis=0) - table[-1, :-1]).mean())


def backward_transfer(table: npt.ArrayLike) -> float:
    """``BWT = mean_{i < T} (R[T, i] - R[i, i])``: how the earlier tasks changed since each was learned; negative is forgetting.

    Source: Lopez-Paz & Ranzato 2017, equation 3.
    """
    table = np.asarray(table, float)
    return float((table[-1] - np.diag(table))[:-1].mean())


def forward_transfer(table: npt.ArrayLike, untrained: npt.ArrayLike) -> float:
    """``FWT = mean_{i > 1} (R[i - 1, i] - b[i])``: what the earlier tasks did for one before it was learned.

    ``untrained`` (tasks,) is b: the scores of the model before any training.

    Source: Lopez-Paz & Ranzato 2017, equation 4.
    """
    return float((np.diag(np.asarray(table, float), k=1) - np.asarray(untrained, float)[1:]).mean())
