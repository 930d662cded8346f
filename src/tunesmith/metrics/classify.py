"""Metrics of classes, of sets of labels, and of numbers, as plain finite values that JSON can carry.

Three rules hold for all of them:

- A ratio that divides by nothing is 0, as in scikit-learn: the precision of a class that was never predicted.
- A metric that the rows do not define is left out, never NaN: the AUC of one class, the correlation of a constant. Without
  rows nothing is defined.
- Probabilities that are not all finite define no metric: a mean over the rest would flatter the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.metrics.rank import average_precision, average_ranks, best_f1, label_ranking, roc_auc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]

BINS = 15  # of confidence, as in Guo et al. 2017


def classification(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, probabilities: npt.ArrayLike | None, labels: Sequence[str]
) -> dict[str, Any]:
    """Metrics of one class for each row.

    ``truth`` and ``predicted`` (rows,) class numbers; ``probabilities`` (rows, classes) or None; ``labels`` the classes' names.

    - ``accuracy``
    - ``precision``, ``recall`` and ``f1``, each as ``_macro``, ``_micro`` and ``_weighted``: see ``_averages``. Macro averages run over
      the classes that occur in truth or prediction.
    - ``mcc``: see ``matthews``
    - ``auc``: area under the ROC curve; with more than two classes the mean of one against the rest, over the classes with both
    - ``log_loss``: mean ``-ln p(truth)``, p kept off 0 by the smallest float64 step
    - ``calibration``: see ``reliability``; ``ece``: its mean distance of confidence and accuracy, the expected calibration error
    - ``per_class``: precision, recall, f1, support (rows that are truly so) and predicted (rows that are called so) by label
    - ``confusion``: counts, a list for each true class with a number for each predicted class
    """
    truth, predicted = np.asarray(truth, np.int64), np.asarray(predicted, np.int64)
    if len(truth) == 0:
        return {}
    counts = confusion(truth, predicted, len(labels))
    hits, claimed, support = counts.diagonal(), counts.sum(0), counts.sum(1)
    occurs = claimed + support > 0
    scores = {"accuracy": float((truth == predicted).mean()), **_averages(hits, claimed, support, occurs), "mcc": matthews(counts)}
    if probabilities is not None:
        scores |= _of_probabilities(truth, predicted, np.asarray(probabilities, float))
    return {**scores, "per_class": _table(labels, hits, claimed, support), "confusion": counts.tolist()}


def multi_label(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, probabilities: npt.ArrayLike | None, labels: Sequence[str]
) -> dict[str, Any]:
    """Metrics of a set of labels for each row.

    ``truth`` and ``predicted`` (rows, labels) of true and false; ``probabilities`` alike, each label by itself, or None.

    - ``subset_accuracy``: rows whose set is right in full; ``hamming_loss``: single decisions that are wrong
    - ``precision``, ``recall`` and ``f1``, each as ``_macro`` (over all labels), ``_micro``, ``_weighted`` and ``_samples`` (over rows)
    - ``auc``: mean area under the ROC curve over the labels that are true for some rows and false for others
    - ``mean_average_precision``: over the labels that are true for some row
    - ``lrap``: label ranking average precision, see ``label_ranking``
    - ``best_f1_micro``: the highest that one threshold of all labels reaches on these rows, ``best_threshold``
    - ``per_class``: precision, recall, f1, support and predicted by label
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    if truth.size == 0:
        return {}
    right = truth == predicted
    both = truth & predicted
    hits, claimed, support = both.sum(0), predicted.sum(0), truth.sum(0)
    by_row = _precision_recall_f1(both.sum(1), predicted.sum(1), truth.sum(1))
    scores: dict[str, Any] = {
        "subset_accuracy": float(right.all(1).mean()),
        "hamming_loss": float(1 - right.mean()),
        **_averages(hits, claimed, support, np.ones(len(labels))),
        **{f"{name}_samples": float(values.mean()) for name, values in by_row.items()},
    }
    if probabilities is not None and np.isfinite(chances := np.asarray(probabilities, float)).all():
        defined = {
            "auc": _mean(map(roc_auc, truth.T, chances.T)),
            "mean_average_precision": _mean(map(average_precision, truth.T, chances.T)),
            "lrap": label_ranking(truth, chances),
        }
        scores |= {name: value for name, value in defined.items() if value is not None}
        if best := best_f1(truth.ravel(), chances.ravel()):
            scores |= {"best_f1_micro": best[0], "best_threshold": best[1]}
    return {**scores, "per_class": _table(labels, hits, claimed, support)}


def regression(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    """Metrics of a number for each row; ``truth`` and ``predicted`` (rows,), in the same unit.

    - ``pearson``: correlation of the numbers; ``spearman``: of their ranks, ties sharing the mean rank
    - ``r2``: ``1 - sum (truth - predicted)^2 / sum (truth - mean)^2``, undefined where the truth is constant
    - ``mse``, ``rmse``: mean squared error and its root; ``mae``: mean absolute error
    """
    truth, predicted = np.asarray(truth, float), np.asarray(predicted, float)
    if len(truth) == 0 or not np.isfinite([truth, predicted]).all():
        return {}
    with np.errstate(over="ignore", invalid="ignore"):  # squares of huge numbers: what becomes infinite is left out
        squares, spread = np.square(truth - predicted).mean(), np.square(truth - truth.mean()).mean()
        defined = {
            "pearson": correlation(truth, predicted),
            "spearman": correlation(average_ranks(truth), average_ranks(predicted)),
            "r2": 1 - squares / spread if np.ptp(truth) > 0 else None,
            "mse": squares,
            "rmse": np.sqrt(squares),
            "mae": np.abs(truth - predicted).mean(),
        }
    return {name: float(value) for name, value in defined.items() if value is not None and np.isfinite(value)}


def confusion(truth: Integers, predicted: Integers, classes: int) -> Integers:
    """Counts of rows by true class and predicted class, (classes, classes). Raises ``ValueError`` for a number that is no class."""
    cells = np.ravel_multi_index((truth, predicted), (classes, classes))
    counts: Integers = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
    return counts


def matthews(counts: Integers) -> float:
    """The Matthews correlation of truth and prediction from their confusion matrix, -1 to 1, 0 where either is constant.

    ``(c s - p.t) / sqrt((s^2 - p.p) (s^2 - t.t))``: s rows, c of them right, p and t the predicted and true counts by class.

    Source: Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006 (R_K).
    """
    rows, claimed, support = float(counts.sum()), counts.sum(0, dtype=float), counts.sum(1, dtype=float)
    spread = math.sqrt(rows**2 - claimed @ claimed) * math.sqrt(rows**2 - support @ support)
    return float((counts.trace() * rows - claimed @ support) / spread) if spread > 0 else 0.0


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = BINS) -> list[dict[str, float]]:
    """Mean confidence, accuracy and count of rows in equal bins of confidence, empty bins left out: a calibration plot.

    ``confidence`` (rows,) the probability of the predicted class; ``correct`` (rows,) whether it was right.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    sure, right = np.bincount(which, confidence, bins), np.bincount(which, correct, bins)
    return [
        {"confidence": float(sure[i] / count[i]), "accuracy": float(right[i] / count[i]), "count": int(count[i])}
        for i in np.flatnonzero(count)
    ]


def correlation(first: Floats, second: Floats) -> float | None:
    """Pearson's correlation; None where either is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    first, second = first - first.mean(), second - second.mean()
    first, second = first / np.abs(first).max(), second / np.abs(second).max()  # squares of large numbers stay finite
    return float(np.clip(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)), -1, 1))


def _of_probabilities(truth: Integers, predicted: Integers, probabilities: Floats) -> dict[str, Any]:
    """AUC, log loss and calibration, as far as they are defined."""
    if not np.isfinite(probabilities).all():
        return {}
    rows, classes = probabilities.shape
    against_rest = [1] if classes == 2 else range(classes)
    auc = _mean(roc_auc(truth == k, probabilities[:, k]) for k in against_rest)
    step = np.finfo(float).eps
    bins = reliability(probabilities[np.arange(rows), predicted], truth == predicted)
    return {
        **({} if auc is None else {"auc": auc}),
        "log_loss": float(-np.log(np.clip(probabilities[np.arange(rows), truth], step, 1 - step)).mean()),
        "ece": sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / rows,
        "calibration": bins,
    }


def _averages(hits: Integers, claimed: Integers, support: Integers, counted: Numbers) -> dict[str, float]:
    """Precision, recall and F1 over classes, from the number of rows right, predicted and true in each.

    macro: the mean over the classes ``counted``; weighted: the mean by support; micro: the ratio of the sums over classes.
    """
    by_class = _precision_recall_f1(hits, claimed, support)
    pooled = _precision_recall_f1(hits.sum(), claimed.sum(), support.sum())
    scores = {}
    for name, values in by_class.items():
        scores[f"{name}_macro"] = _ratio((values * counted).sum(), counted.sum()).item()
        scores[f"{name}_micro"] = pooled[name].item()
        scores[f"{name}_weighted"] = _ratio((values * support).sum(), support.sum()).item()
    return scores


def _precision_recall_f1(hits: Numbers, claimed: Numbers, support: Numbers) -> dict[str, Floats]:
    """``precision = hits / claimed``, ``recall = hits / support``, ``f1 = 2 hits / (claimed + support)``."""
    return {"precision": _ratio(hits, claimed), "recall": _ratio(hits, support), "f1": _ratio(2 * hits, claimed + support)}


def _ratio(part: Numbers, whole: Numbers) -> Floats:
    """``part / whole``, 0 where the whole is 0."""
    ratio: Floats = np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)
    return ratio


def _table(labels: Sequence[str], hits: Integers, claimed: Integers, support: Integers) -> dict[str, dict[str, float]]:
    """Precision, recall, F1, support and predicted rows by label."""
    columns = {**_precision_recall_f1(hits, claimed, support), "support": support, "predicted": claimed}
    return {label: {name: values[i].item() for name, values in columns.items()} for i, label in enumerate(labels)}


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are defined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
