"""Tasks whose answer is a label, several labels or a number: the form of their predictions, in one place."""

from __future__ import annotations

import copy
import difflib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.task import Prediction, Row, Statistic, Task, named

ANSWER = {"single": "label", "multi": "labels", "regression": "value"}  # kind -> the key of a prediction that holds the answer
PROBLEM = {"single": "single_label_classification", "multi": "multi_label_classification", "regression": "regression"}
PRIMARY = {"single": "accuracy", "multi": "f1_micro", "regression": "pearson"}
EXAMPLE: dict[str, list[Row]] = {
    "single": [{"label": 0}, {"label": 1}],
    "multi": [{"label": [0]}, {"label": [1]}],
    "regression": [{"label": 0.0}, {"label": 1.0}],
}
MIDDLE = 0.5  # the threshold where none is given or chosen
LOWER_IS_BETTER = {"log_loss", "ece", "hamming_loss", "mse", "rmse", "mae"}
OUTPUT: dict[str, Callable[[Tensor], Tensor]] = {
    "single": lambda logits: logits.softmax(dim=1),
    "multi": torch.sigmoid,
    "regression": lambda values: values,
}


class LabelTask(Task):
    """A task whose predictions are ``{"label", "probabilities"}``, ``{"labels", "probabilities"}`` or ``{"value"}``.

    ``kind``           single, multi or regression; auto until ``decide`` is called
    ``labels``         the names in order; a regression has one
    ``class_weights``  none, balanced, or what each label weighs in the loss
    ``metric``         the metric that decides; auto by kind
    ``threshold``      multi: the probability from which a label is given; auto until one is chosen by rows
    ``one_input``      whether an item is one input of the model, so that a vector can stand for it

    Because the answers are plain, simple models can be judged beside the tuned one. Rows hold their truth under ``label``: an id, a
    list of ids, or a number.
    """

    kind: str
    labels: list[str]
    class_weights: str | list[float] | dict[str, float]
    metric: str
    threshold: float | Literal["auto"]

    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {}
    one_input: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise InputError(*problems)

    def _problems(self) -> Iterator[Problem]:
        """What is wrong with the settings, as far as the kind is known."""
        if isinstance(self.class_weights, str) and self.class_weights not in ("none", "balanced"):
            remedy = "Write none, balanced, a weight for each label, or {label: weight}"
            yield Problem(f"task.class_weights cannot be '{self.class_weights}'", remedy, key="task.class_weights")
        if len(set(self.labels)) < len(self.labels):
            yield Problem("task.labels has a name twice", "Give each once", key="task.labels")
        if self.kind == "regression" and len(self.labels) > 1:
            message = f"task.labels has {len(self.labels)} names, and kind: regression gives one number"
            yield Problem(message, "Give one name, or none", key="task.labels")
        if self.metric != "auto" and self.metric not in (known := self.score_names()):
            near = difflib.get_close_matches(self.metric, known, 2)
            remedy = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}"
            where = "" if self.kind == "auto" else f" where kind is {self.kind}"
            yield Problem(f"There is no metric '{self.metric}'{where}", remedy, key="task.metric")

    def decide(self, kind: str) -> None:
        """Take the kind that the label column has. Raises ``InputError`` for settings that are wrong, or not read, with it."""
        before, self.kind = self.kind, kind
        for field in fields(self) if before == "auto" else ():  # type: ignore[arg-type]
            other, read = self.applies.get(field.name, ("kind", (kind,)))
            if getattr(self, other) not in read and getattr(self, field.name) != field.default:
                message = f"task.{field.name} is not read: by the label column, kind is {kind}"
                raise InputError(Problem(message, f"Take it out, or set task.kind: {' or '.join(read[1:])}", key=f"task.{field.name}"))
        if problems := list(self._problems()):
            raise InputError(*problems)

    def start(self, run: Run) -> None:
        """Each of several labels begins at the probability that it has in the training rows, where the head is new.

        From 0.5 the first hundreds of steps would go into saying that nearly all labels are rare. Source: Lin et al. 2017, "Focal Loss for
        Dense Object Detection", section 3.3, with one prior for each label.
        """
        new = {name: param for name, param in run.params.items() if param.fresh and param.head}
        names = [name for name, param in new.items() if param.bias and param.shape == (len(self.labels),)]
        if self.kind != "multi" or not names or not len(run.train):
            return
        counts = torch.zeros(len(self.labels))
        for item in run.train:
            counts[item["label"]] += 1
        weights = dict(run.model.named_parameters())
        with torch.no_grad():
            for name in names:
                weights[name].copy_(torch.logit((counts + 0.5) / (len(run.train) + 1)))

    @property
    def undecided(self) -> bool:
        """Whether the threshold is still to be chosen."""
        return self.kind == "multi" and self.threshold == "auto"

    @property
    def given_from(self) -> float:
        """The probability from which a label is given: the threshold, and the middle while none is chosen."""
        return MIDDLE if self.threshold == "auto" else self.threshold

    def at(self, threshold: float) -> Self:
        """The same task with another threshold."""
        other = copy.copy(self)
        other.threshold = threshold
        return other

    @property
    def primary(self) -> str:
        return PRIMARY[self.kind] if self.metric == "auto" else self.metric

    @property
    def higher_is_better(self) -> bool:
        return self.primary not in LOWER_IS_BETTER

    def label_rows(self) -> list[Row]:
        """The names of the labels as rows, so that a model can be asked untrained; none where they do not say what a row is about."""
        return []

    @abstractmethod
    def texts(self, rows: Sequence[Row]) -> list[str]:
        """Each row as one text."""

    @abstractmethod
    def score(self, table: Tensor, truth: Tensor, given: Tensor | None, ranked: bool = True) -> dict[str, Any]:
        """The metrics of probabilities (rows, labels) or of values (rows, 1), where ``truth`` is what ``targets`` returns.

        ``given`` says of several labels which each row got, (rows, labels) of true and false; it is None of other kinds. Without
        ``ranked``, metrics that take time are left out: what compares probabilities, and not the answers made of them.
        """

    def score_names(self) -> list[str]:
        """The metrics that can decide: of the kind, or of all kinds while it is not known."""
        asked = copy.copy(self)
        asked.labels, found = ["0", "1"], dict[str, Any]()
        for kind in ANSWER if self.kind == "auto" else [self.kind]:
            asked.kind = kind
            table = torch.eye(2, dtype=torch.float64)
            found |= asked.score(table, asked.targets(EXAMPLE[kind]), table > 0 if kind == "multi" else None)
        return [name for name, value in found.items() if isinstance(value, float)]

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        return self.score(self.table(predictions), self.targets(truths, torch.float64), self.given(predictions))

    def given(self, predictions: Sequence[Prediction]) -> Tensor | None:
        """Which of several labels each prediction has, whichever threshold decided: (rows, labels) of true and false."""
        if self.kind != "multi":
            return None
        numbers = {label: number for number, label in enumerate(self.labels)}
        return self.targets([{"label": [numbers[label] for label in p["labels"]]} for p in predictions], torch.bool)

    def targets(self, rows: Sequence[Row], floats: torch.dtype = torch.float32) -> Tensor:
        """The truths: (rows,) int64 label ids, (rows, labels) of 0 and 1, or (rows,) values; the latter two as ``floats``."""
        truths = [row["label"] for row in rows]
        if self.kind != "multi":
            return torch.tensor(truths, dtype=floats if self.kind == "regression" else torch.int64)
        table = torch.zeros(len(rows), len(self.labels), dtype=floats)
        for row, ids in enumerate(truths):
            table[row, list(ids)] = 1.0
        return table

    def told(self) -> dict[str, Any]:
        """What the configuration of a model with a head for the labels is told."""
        return {"problem_type": PROBLEM[self.kind], **named(self.labels)}

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        """Cross-entropy, binary cross-entropy (the mean over labels) or squared error, each row or label with its weight."""
        logits, labels = forward(batch).logits.float(), batch.targets["labels"]  # (batch, classes), (batch,) or (batch, classes)
        weight = torch.tensor(self.class_weights, device=logits.device) if isinstance(self.class_weights, list) else None
        if self.kind == "regression":
            return Loss(F.mse_loss(logits[:, 0], labels, reduction="sum"), len(batch), logits, labels)
        if self.kind == "multi":
            losses = F.binary_cross_entropy_with_logits(logits, labels, weight, reduction="none").mean(dim=1)
            return Loss(losses.sum(), len(batch), logits, labels)
        weights = None if weight is None else weight[labels]
        total = F.cross_entropy(logits, labels, weight, reduction="sum")
        return Loss(total, len(batch) if weights is None else float(weights.sum()), logits, labels, weights)

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return self.predictions(OUTPUT[self.kind](output.logits.float()))

    def predictions(self, table: Tensor) -> list[Prediction]:
        """Predictions from probabilities (rows, labels), or from values (rows, 1)."""
        if self.kind == "regression":
            return [{"value": value} for value in table[:, 0].tolist()]
        named = [dict(zip(self.labels, row, strict=True)) for row in table.tolist()]
        if self.kind == "single":
            return [{"label": self.labels[best], "probabilities": p} for best, p in zip(table.argmax(dim=1).tolist(), named, strict=True)]
        return [{"labels": [label for label in self.labels if p[label] >= self.given_from], "probabilities": p} for p in named]

    def table(self, predictions: Sequence[Prediction]) -> Tensor:
        """The table that ``predictions`` was called with, in float64."""
        if self.kind == "regression":
            rows = [[p["value"]] for p in predictions]
        else:
            rows = [[p["probabilities"][label] for label in self.labels] for p in predictions]
        return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(self.labels))

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """1 for the right label, else 0; of several labels their F1, 1 where all are right; of a regression minus the squared error."""
        if self.kind == "regression":
            return [-((p["value"] - row["label"]) ** 2) for p, row in zip(predictions, truths, strict=True)]
        if self.kind == "multi":
            return [_f1(self._answer(p), self._named(row["label"])) for p, row in zip(predictions, truths, strict=True)]
        return [float(self._answer(p) == self._named(row["label"])) for p, row in zip(predictions, truths, strict=True)]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic:
        table, truth, given = self.table(predictions), self.targets(truths, torch.float64), self.given(predictions)
        ranked = self.primary not in self.score(table, truth, given, ranked=False)

        def of(rows: Any) -> float:
            return float(self.score(table[rows], truth[rows], None if given is None else given[rows], ranked).get(self.primary, math.nan))

        return of

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found: dict[str, Any] = {"text": self.texts([row])[0], "predicted": self._answer(prediction)}
        if "label" in row:
            found["truth"] = self._named(row["label"])
        if self.kind == "single":
            found["confidence"] = prediction["probabilities"][prediction["label"]]
        return found

    def _answer(self, prediction: Prediction) -> Any:
        return prediction[ANSWER[self.kind]]

    def _named(self, label: Any) -> Any:
        """A truth as predictions write it; several labels in the order of ``labels``."""
        if self.kind == "regression":
            return label
        return self.labels[label] if self.kind == "single" else [self.labels[i] for i in sorted(label)]


def _f1(given: Sequence[str], truth: Sequence[str]) -> float:
    """How alike two sets of labels are, 0 to 1; 1 where both are empty."""
    return 2 * len({*given} & {*truth}) / (len(given) + len(truth)) if given or truth else 1.0
