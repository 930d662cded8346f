"""The content of ``scores.json``: the tuned model beside its base and simple baselines, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.task import Task
from tunesmith.metrics.interval import bootstrap, flips, paired_bootstrap

Statistic = Callable[[npt.NDArray[np.int64]], float]  # of row numbers

PER_ROW = "correct"  # names the gain in what ``task.correct`` returns
RESAMPLES = 1000  # for a metric that is computed anew in each
FEW = 100  # rows, below which an interval is rough

# baseline -> what it is, and what follows when the tuned model is no better
BASELINES = {
    "majority": ("the most frequent answer", "the model has learned nothing of use"),
    "tfidf": ("TF-IDF with a linear model", "this data does not need a transformer"),
    "linear_probe": ("a linear probe on the frozen base", "tuning the base was not needed"),
}


@dataclass(frozen=True)
class Judged:
    """How a model did on the rows that are judged.

    ``metrics``  what ``task.metrics`` returned; ``correct`` what ``task.correct`` returned, a number for each row
    ``over``     the primary metric on given row numbers, with repetition, NaN where it is undefined; wanted for an interval of a
                 metric that is no mean over rows
    """

    metrics: Mapping[str, Any]
    correct: Sequence[float]
    over: Statistic | None = None


@dataclass(frozen=True)
class Difference:
    """One model minus another in ``metric``; ``low`` and ``high`` end its 95% interval. ``sign`` is -1 where lower is better."""

    metric: str
    delta: float
    low: float
    high: float
    sign: int

    @property
    def better(self) -> bool:
        """Whether the first model is better, the whole interval long."""
        return min(self.sign * self.low, self.sign * self.high) > 0

    @property
    def worse(self) -> bool:
        return max(self.sign * self.low, self.sign * self.high) < 0

    def __str__(self) -> str:
        name = "mean correctness" if self.metric == PER_ROW else self.metric
        return f"{self.delta:+.3g} in {name}, 95% interval {self.low:+.3g} to {self.high:+.3g}"


def compare(name: str, task: Task, split: str, base: Judged, tuned: Judged, baselines: Mapping[str, Judged]) -> dict[str, Any]:
    """Base, tuned model and baselines on the same rows, as JSON values: ``scores.json`` without its timings.

    ``name`` is the task's name in recipes. ``gain`` is the difference in the primary metric, tuned minus base, with its paired 95%
    interval; where the metric is no mean over rows (F1, a correlation) and so has none, ``correct`` stands beside it, the
    difference in mean correctness. ``verdict`` says in lines whether tuning helped, and whether a baseline does as well.
    """
    gained = difference(task, base, tuned)
    rivals = {baseline: difference(task, judged, tuned) for baseline, judged in baselines.items()}
    content: dict[str, Any] = {
        "task": name,
        "split": split,
        "examples": len(tuned.correct),
        "primary": task.primary,
        "base": base.metrics,
        "tuned": tuned.metrics,
        "gain": _gain(_score(tuned, task.primary) - _score(base, task.primary), task.primary, gained),
        "baselines": {baseline: _scalars(judged.metrics) for baseline, judged in baselines.items()},
        "flips": flips(base.correct, tuned.correct),
        "verdict": list(verdict(gained, rivals, len(tuned.correct))),
    }
    return {key: _plain(value) for key, value in content.items()}


def difference(task: Task, first: Judged, second: Judged) -> Difference | None:
    """``second`` minus ``first`` with its interval, in the primary metric if it has one, else in correctness; None if undefined."""
    if not len(second.correct):
        return None
    metric, sign = task.primary, 1 if task.higher_is_better else -1
    before, after = _by_row(first, metric), _by_row(second, metric)
    if first.over and second.over:
        found = _resampled(first.over, second.over, len(second.correct))
    elif before is not None and after is not None:
        found = paired_bootstrap(before, after)
    else:
        metric, sign, found = PER_ROW, 1, paired_bootstrap(first.correct, second.correct)
    return Difference(metric, *found, sign) if np.isfinite(found).all() else None


def verdict(gained: Difference | None, rivals: Mapping[str, Difference | None], num_rows: int) -> Iterator[str]:
    """Lines for a reader, from the tuned model's difference to its base and to each baseline."""
    if gained is None:
        yield "Base and tuned model cannot be compared: the metric is undefined, or no row was judged."
    elif gained.better:
        yield f"Better than its base: {gained}."
    elif gained.worse:
        yield f"WORSE THAN ITS BASE: {gained}. Use the base, or train with a lower learning rate, for less time, or on better data."
    else:
        yield f"No better than its base: {gained}; the interval contains 0."
    for baseline, rival in rivals.items():
        if rival is not None and not rival.better:
            what, consequence = BASELINES.get(baseline, (baseline, "the tuned model was not needed"))
            standing = "BEATS the tuned model" if rival.worse else "does as well as the tuned model"
            yield f"{what[0].upper()}{what[1:]} {standing}: {consequence} (tuned minus baseline: {rival})."
    if 0 < num_rows < FEW:
        yield f"Only {num_rows} rows were judged: the intervals are rough."


def _gain(delta: float, primary: str, known: Difference | None) -> dict[str, dict[str, Any]]:
    """The gain in the primary metric, if it is defined, and the one whose interval is known: the same, as a rule."""
    entries: dict[str, dict[str, Any]] = {primary: {"delta": delta, "ci95": None}} if math.isfinite(delta) else {}
    if known is not None:
        entries[known.metric] = {"delta": known.delta, "ci95": [known.low, known.high]}
    return entries


def _resampled(first: Statistic, second: Statistic, num_rows: int) -> tuple[float, float, float]:
    """The interval of a difference of metrics that are computed anew on every resample."""
    return bootstrap(lambda rows: second(rows) - first(rows), num_rows, RESAMPLES)


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


def _plain(value: Any) -> Any:
    """Nested values as JSON can hold them: numpy's as Python's, None for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
