"""``task.threshold: auto``: each model gives labels from the probability that does best for it on validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tunesmith.core.label_task import MIDDLE, PRIMARY, LabelTask
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.metrics.rank import best_f1

TRIED = 100  # thresholds that are tried where another metric than F1 micro decides


def best_threshold(task: LabelTask, predictions: Sequence[Prediction], truths: Sequence[Row]) -> float:
    """The threshold at which the primary metric is best on these rows, halfway to the next lower probability.

    Where no threshold changes that metric it is the best for F1 micro, and 0.5 where no row has a label.
    """
    table, truth = task.table(predictions), task.targets(truths, torch.float64)
    best = best_f1(truth.numpy().ravel(), table.numpy().ravel()) if table.isfinite().all() else None
    if best is None:
        return MIDDLE
    tried, sign = [best[1]], 1 if task.higher_is_better else -1
    if task.primary != PRIMARY["multi"]:
        of_true = np.unique(table[truth > 0].numpy())
        tried += of_true[np.linspace(0, len(of_true) - 1, min(len(of_true), TRIED)).astype(int)].tolist()
    found = max(tried, key=lambda value: sign * task.score(table, truth, table >= value, ranked=False).get(task.primary, 0.0))
    below = table[table < found]
    return float(f"{(found + (float(below.max()) if len(below) else 0.0)) / 2:.6g}")


def decided(task: LabelTask, predictions: Sequence[Prediction], threshold: float) -> list[Prediction]:
    """The same predictions with the labels that another threshold gives."""
    return task.at(threshold).predictions(task.table(predictions))


def as_shipped(task: Task, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[Prediction]:
    """Predictions for validation rows as the model would answer if it were shipped now: by the threshold that they choose."""
    if not isinstance(task, LabelTask) or not task.undecided:
        return list(predictions)
    return decided(task, predictions, best_threshold(task, predictions, truths))


@dataclass
class Thresholds:
    """The thresholds of the models that are judged, where the task leaves them open; else predictions stay as they are.

    ``rows``   validation rows, by which they are chosen; without any it is 0.5 for all
    ``found``  the threshold of each model, by its name
    """

    task: Task
    rows: Sequence[Row]
    found: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = self.rows if isinstance(self.task, LabelTask) and self.task.undecided else []

    def choose(self, name: str, answers: Sequence[Prediction], judged: int) -> list[Prediction]:
        """Choose for a model. Its ``answers`` to the ``judged`` rows come first and are returned; those to ``rows`` come last."""
        if isinstance(self.task, LabelTask) and self.task.undecided:
            own = answers[len(answers) - len(self.rows) :]
            self.found[name] = best_threshold(self.task, own, self.rows)
        return self.decide(name, answers[:judged])

    def decide(self, name: str, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Predictions of a model by the threshold that was chosen for it."""
        if not isinstance(self.task, LabelTask) or name not in self.found:
            return list(predictions)
        return decided(self.task, predictions, self.found[name])

    def task_of(self, name: str) -> Task:
        """The task with the threshold of a model."""
        return self.task.at(self.found[name]) if isinstance(self.task, LabelTask) and name in self.found else self.task

    def scores(self) -> dict[str, Any]:
        """What ``scores.json`` says of them: the number of rows by which they were chosen, and the threshold of each model."""
        return {"thresholds": {"chosen_by": len(self.rows), **self.found}} if self.found else {}
