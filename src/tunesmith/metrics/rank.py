"""Metrics of an order of scores: areas under curves, precision over ranked labels, average ranks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def average_ranks(values: npt.ArrayLike) -> Floats:
    """The ranks of ``values`` (n,) from 1 upwards; equal values share the mean of their ranks."""
    _, which, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks


def roc_auc(positive: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """The chance that a positive scores above a negative, ties counting half; None where one of the two is absent.

    ``AUC = (R - P (P + 1) / 2) / (P N)``, R being the sum of the ranks of the P positives among the N negatives.

    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747 (the Mann-Whitney form).
    """
    positive = np.asarray(positive, bool)
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    if pairs == 0:
        return None
    ranks = average_ranks(scores)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / pairs)


def average_precision(positive: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """The precision at each threshold, weighted by the recall it adds; None where nothing is positive.

    ``AP = sum_k (R_k - R_{k-1}) P_k`` over the distinct scores from the highest, without interpolation.

    Source: Manning, Raghavan & Schütze 2008, Introduction to Information Retrieval, section 8.4.
    """
    positive, scores = np.asarray(positive, bool), np.asarray(scores, float)
    if not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(positive[order])
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # the end of each run of equal scores
    gained = np.diff(found[last], prepend=0)
    return float((gained * found[last] / (last + 1)).sum() / positive.sum())


def best_f1(positive: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float] | None:
    """The highest F1 of what scores at least a threshold, and that threshold; None where nothing is positive."""
    positive, scores = np.asarray(positive, bool), np.asarray(scores, float)
    if not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # the end of each run of equal scores
    values = 2 * np.cumsum(positive[order])[last] / (last + 1 + positive.sum())
    most = int(values.argmax())
    return float(values[most]), float(scores[order][last[most]])


def label_ranking(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """For each true label, the share of true labels among those ranked as high; averaged over labels, then rows.

    ``truth`` (rows, labels) and ``scores`` alike. Equal scores share the lowest rank; a row without a true label counts 1.
    None without rows.

    Source: Schapire & Singer 2000, BoosTexter, doi:10.1023/A:1007649029923, "average precision".
    """
    truth, scores = np.asarray(truth, bool), np.asarray(scores, float)
    if truth.size == 0:
        return None
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked, scores = np.take_along_axis(truth, order, 1), np.take_along_axis(scores, order, 1)
    width = truth.shape[1]
    ends = np.where(np.diff(scores, axis=1, append=-np.inf) != 0, np.arange(1, width + 1), width)
    ranks = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]  # (rows, labels) from 1, the end of the run of equal scores
    above = np.take_along_axis(np.cumsum(ranked, axis=1), ranks - 1, 1)
    num_true = ranked.sum(1)
    precision = np.divide((above / ranks * ranked).sum(1), num_true, out=np.ones(len(truth)), where=num_true > 0)
    return float(precision.mean())
