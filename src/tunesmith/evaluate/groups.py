"""The part ``groups`` of ``scores.json``: how the groups of the judged rows fare with the base and the tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.evaluate.compare import plain
from tunesmith.metrics.fairness import SMALLEST, Answers, Interval, answers, decisions, rates, with_intervals


def audit(task: Task, groups: Sequence[Any], truths: Sequence[Row], models: Mapping[str, Sequence[Prediction]]) -> dict[str, Any]:
    """How groups fare with each model, the base first, as JSON values; empty for a task whose answers are no labels.

    ``groups`` (rows,) names the group of each row. ``labels`` are those of which rates are given: of two the second. Each model has
    ``by_group`` and ``gaps``, which are defined in ``metrics/fairness.py``; ``change`` is by how much gaps grew from the first model to
    the last; ``too_small`` names the groups that are not compared, with their rows.
    """
    if not isinstance(task, LabelTask) or task.kind == "regression":
        return {}
    names, numbers = np.unique([str(group) for group in groups], return_inverse=True)
    asked = {name: _answers(task, predictions, truths, numbers) for name, predictions in models.items()}
    found, changes = with_intervals(asked)
    labels = task.labels[1:] if _opposites(task) else task.labels
    sizes = np.bincount(numbers)
    small = {str(name): size for name, size in zip(names, sizes, strict=True) if size < SMALLEST}
    of_models = {
        name: {"by_group": _by_group(task, names, labels, given, (models[name], truths)), "gaps": _written(found[name], "value")}
        for name, given in asked.items()
    }
    return {
        key: plain(value)
        for key, value in {"labels": labels, "too_small": small, **of_models, "change": _written(changes, "delta")}.items()
    }


def _opposites(task: LabelTask) -> bool:
    """Whether a row has one of two labels, so that what is said of one says it of the other."""
    return task.kind == "single" and len(task.labels) == 2


def _answers(task: LabelTask, predictions: Sequence[Prediction], truths: Sequence[Row], groups: np.ndarray) -> Answers:
    given, truth = task.given(predictions), task.targets(truths, torch.float64).numpy()
    if given is None:
        chosen, wanted = decisions(task.table(predictions).argmax(dim=1).numpy(), truth, len(task.labels))
    else:
        chosen, wanted = given.numpy(), truth > 0
    return answers(chosen, wanted, (chosen == wanted).all(axis=1), groups)


def _by_group(
    task: LabelTask, names: np.ndarray, labels: Sequence[str], given: Answers, rows: tuple[Sequence[Prediction], Sequence[Row]]
) -> dict[str, dict[str, Any]]:
    """Of each group its rows, the metric that decides, and the rates of its labels; what too few rows tell is NaN."""
    own = rates(given)
    found: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(names):
        members = np.flatnonzero(given.groups == number).tolist()
        predictions, truths = ([part[row] for row in members] for part in rows)
        score = task.verdict(predictions, truths) if len(members) >= SMALLEST else None
        found[str(name)] = {"rows": len(members), "accuracy": own.accuracy[number], task.primary: score} | {
            rate: dict(zip(labels, getattr(own, rate)[number], strict=True)) for rate in ("selection", "true_positive", "false_positive")
        }
    return found


def _written(intervals: Mapping[str, Interval], value: str) -> dict[str, dict[str, Any]]:
    """Intervals as ``scores.json`` holds them."""
    return {
        name: {value: found.value, "ci95": [found.low, found.high] if found.low == found.low else None} for name, found in intervals.items()
    }
