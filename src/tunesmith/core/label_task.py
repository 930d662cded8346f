"""Tasks whose answer is a label, several labels or a number: the form of their predictions, in one place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from tunesmith.core.task import Prediction, Row, Task


class LabelTask(Task):
    """A task whose predictions are ``{"label", "probabilities"}``, ``{"labels", "probabilities"}`` or ``{"value"}``.

    ``kind``       single, multi or regression
    ``labels``     the names in order; a regression has one
    ``threshold``  multi: the probability from which a label is given

    Because the answers are plain, simple models can be judged beside the tuned one. Rows hold their truth under ``label``: an id, a
    list of ids, or a number.
    """

    kind: str
    labels: list[str]
    threshold: float

    @abstractmethod
    def texts(self, rows: Sequence[Row]) -> list[str]:
        """Each row as one text."""

    @abstractmethod
    def targets(self, rows: Sequence[Row]) -> Tensor:
        """The truths: (rows,) int64 label ids, (rows, labels) of 0 and 1, or (rows,) float values."""

    def predictions(self, table: Tensor) -> list[Prediction]:
        """Predictions from probabilities (rows, labels), or from values (rows, 1)."""
        if self.kind == "regression":
            return [{"value": value} for value in table[:, 0].tolist()]
        named = [dict(zip(self.labels, row, strict=True)) for row in table.tolist()]
        if self.kind == "single":
            return [{"label": self.labels[best], "probabilities": p} for best, p in zip(table.argmax(dim=1).tolist(), named, strict=True)]
        return [{"labels": [label for label in self.labels if p[label] >= self.threshold], "probabilities": p} for p in named]

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """1 for the right label, or exactly the right labels, else 0; of a regression minus the squared error."""
        if self.kind == "regression":
            return [-((p["value"] - row["label"]) ** 2) for p, row in zip(predictions, truths, strict=True)]
        return [float(self._answer(p) == self._named(row["label"])) for p, row in zip(predictions, truths, strict=True)]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found: dict[str, Any] = {"text": self.texts([row])[0], "predicted": self._answer(prediction)}
        if "label" in row:
            found["truth"] = self._named(row["label"])
        if self.kind == "single":
            found["confidence"] = prediction["probabilities"][prediction["label"]]
        return found

    def _answer(self, prediction: Prediction) -> Any:
        return prediction[{"single": "label", "multi": "labels", "regression": "value"}[self.kind]]

    def _named(self, label: Any) -> Any:
        """A truth as predictions write it; several labels in the order of ``labels``."""
        if self.kind == "regression":
            return label
        return self.labels[label] if self.kind == "single" else [self.labels[i] for i in sorted(label)]
