"""The content of ``scores.json``: the tuned model beside its base and simple baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.task import Statistic, Task
from tunesmith.metrics.interval import bootstrap, flips, paired_bootstrap

PER_ROW = "correct"  # names the gain in what ``task.correct`` returns
RESAMPLES = 1000  # for a metric that is computed anew in each


@dataclass(frozen=True)
class Judged:
    """How a model did on the rows that are judged.

    ``metrics``  what ``task.metrics`` returned; ``correct`` what ``task.correct`` returned, a number for each row
    ``over``     what ``task.over`` returned; wanted for an interval of a metric that is no mean over rows
    """

    metrics: Mapping[str, Any]
    correct: Sequence[float]
    over: Statistic | None = None


def compare(name: str, task: Task, split: str, base: Judged, tuned: Judged, baselines: Mapping[str, Judged]) -> dict[str, Any]:
    """Base, tuned model and baselines on the same rows, as JSON values: ``scores.json`` without its timings.

    ``name`` is the task's name in recipes. ``gain`` is the difference in the primary metric, tuned minus base, with its paired 95%
    interval. Where that is not known, for a metric that is no mean over rows and without ``over``, the difference in mean
    correctness stands beside it as ``correct``.
    """
    content: dict[str, Any] = {
        "task": name,
        "split": split,
        "examples": len(tuned.correct),
        "primary": task.primary,
        "base": base.metrics,
        "tuned": tuned.metrics,
        "gain": gain(task.primary, base, tuned),
        "baselines": {baseline: _scalars(judged.metrics) for baseline, judged in baselines.items()},
        "flips": flips(base.correct, tuned.correct),
    }
    return {key: plain(value) for key, value in content.items()}


def gain(metric: str, base: Judged, tuned: Judged) -> dict[str, dict[str, Any]]:
    """Tuned minus base in ``metric``, where it is defined, and the 95% interval; by correct rows where ``metric`` has none."""
    delta = _score(tuned, metric) - _score(base, metric)
    entries: dict[str, dict[str, Any]] = {metric: {"delta": delta, "ci95": None}} if math.isfinite(delta) else {}
    if not len(tuned.correct):
        return entries
    before, after = _by_row(base, metric), _by_row(tuned, metric)
    found: tuple[float, ...] = ()
    if before is not None and after is not None:
        found = paired_bootstrap(before, after)
    elif base.over and tuned.over:
        found = _resampled(base.over, tuned.over, len(tuned.correct))
    if not found or not np.isfinite(found).all():
        metric, found = PER_ROW, paired_bootstrap(base.correct, tuned.correct)
    if np.isfinite(found).all():
        entries[metric] = {"delta": found[0], "ci95": list(found[1:])}
    return entries


def with_measure(scores: dict[str, Any], name: str, base: Sequence[float], tuned: Sequence[float]) -> dict[str, Any]:
    """``scores.json`` with one more metric, the mean of a number of each row, and its gain; how many rows have one stands there, too."""
    delta, *interval = paired_bootstrap(np.asarray(base, float), np.asarray(tuned, float))
    added: dict[str, Any] = {
        "base": scores["base"] | {name: np.mean(base)},
        "tuned": scores["tuned"] | {name: np.mean(tuned)},
        "gain": scores["gain"] | {name: {"delta": delta, "ci95": interval}},
        "judged_by": {name: len(tuned)},
    }
    return scores | {key: plain(value) for key, value in added.items()}


def _resampled(base: Statistic, tuned: Statistic, num_rows: int) -> tuple[float, float, float]:
    """The interval of a difference of metrics that are computed anew on every resample."""
    return bootstrap(lambda rows: tuned(rows) - base(rows), num_rows, RESAMPLES)


def _score(judged: Judged, metric: str) -> float:
    """The metric, NaN where it is undefined."""
    value = judged.metrics.get(metric)
    return math.nan if value is None else float(value)


def _by_row(judged: Judged, metric: str) -> npt.NDArray[np.float64] | None:
    """The metric of each row, where the metric is their mean: ``correct``, or the error that it is minus of."""
    correct = np.asarray(judged.correct, float)
    means = (values for values in (correct, -correct) if math.isclose(values.mean(), _score(judged, metric), rel_tol=1e-6, abs_tol=1e-9))
    return next(means, None)


def _scalars(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics without tables."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float | np.number)}


def plain(value: Any) -> Any:
    """Nested values as JSON can hold them: numpy's as Python's, None for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
