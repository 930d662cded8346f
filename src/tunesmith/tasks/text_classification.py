"""Text classification: one label, several labels or a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.label_task import LabelTask
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Forward, Head, Prediction, Row
from tunesmith.data.labels import balanced, count, indicator, kind_of, label_id, label_ids, number
from tunesmith.data.text import check_text, encode_texts, pad_texts
from tunesmith.metrics.classify import classification, multi_label, regression

PRIMARY = {"single": "accuracy", "multi": "f1_micro", "regression": "pearson"}
READ: dict[str, Callable[[Any, Sequence[str]], Any]] = {"single": label_id, "multi": label_ids, "regression": number}
OUTPUT: dict[str, Callable[[Tensor], Tensor]] = {
    "single": lambda logits: logits.softmax(dim=1),
    "multi": torch.sigmoid,
    "regression": lambda values: values,
}
PROBLEM = {"single": "single_label_classification", "multi": "multi_label_classification", "regression": "regression"}


@dataclass
class TextClassification(LabelTask):
    """Gives a text, or a pair of texts, a label (``single``), any number of labels (``multi``) or a number (``regression``).

    The loss is cross-entropy, binary cross-entropy (the mean over labels) or the squared error.
    """

    kind: str = setting("auto", "what is predicted; auto looks at the label column", choices=("auto", "single", "multi", "regression"))
    labels: list[str] = setting(factory=list, text="label names in order; taken from the training rows when empty")
    class_weights: list[float] | str = setting("none", "weights of the labels in the loss: none, balanced, or a number for each label")
    max_length: int = setting(256, "longest text in tokens; what is longer is cut and counted", low=8)
    metric: str = setting("auto", "the metric that decides; auto takes accuracy, f1_micro or pearson by kind")
    threshold: float = setting(0.5, "multi: probability from which a label is given", low=0, high=1)

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text"})

    @property
    def primary(self) -> str:
        return PRIMARY[self.kind] if self.metric == "auto" else self.metric

    @property
    def higher_is_better(self) -> bool:
        return self.primary not in ("log_loss", "ece", "mse", "rmse", "mae", "hamming_loss")

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        good, bad = ("a good film", "what a great day"), ("a bad film", "what a poor day")
        rows = [
            {"text": f"{text} number {i}", "label": label}
            for i in range(3)
            for label, texts in (("good", good), ("bad", bad))
            for text in texts
        ]
        return cls(max_length=16), rows

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("text", ("text", "sentence", "sentence1", "review", "content", "question", "premise", "query", "body", "comment")),
            Column("text_pair", ("text_pair", "sentence2", "passage", "hypothesis", "text2", "context"), required=False),
            Column(
                "label", ("label", "labels", "class", "category", "target", "score", "tags", "sentiment", "stars", "rating"), truth=True
            ),
        )

    def learn(self, rows: Iterable[Row]) -> None:
        values = [row["label"] for row in rows if row["label"] not in (None, "")]
        self.kind = kind_of(values) if self.kind == "auto" else self.kind
        if self.kind == "regression":
            self.labels = ["value"]
            return
        counts = count(values)
        self.labels = self.labels or list(counts)
        if self.class_weights == "balanced":
            self.class_weights = balanced(counts, self.labels)

    def read(self, row: Row) -> Row:
        texts: Row = {role: row[role] for role in ("text", "text_pair") if role in row}
        for role, text in texts.items():
            check_text(text, role)
        return texts | ({"label": READ[self.kind](row["label"], self.labels)} if "label" in row else {})

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        features = encode_texts([row["text"] for row in rows], [row.get("text_pair") for row in rows], tokenizer, self.max_length)
        return [{**feature, **({"label": row["label"]} if "label" in row else {})} for feature, row in zip(features, rows, strict=True)]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, tokens = pad_texts(features, tokenizer)
        targets = {"labels": self.targets(features)} if "label" in features[0] else {}
        return Batch(inputs, targets, torch.tensor([f["row"] for f in features]), tokens)

    def texts(self, rows: Sequence[Row]) -> list[str]:
        return [" ".join(row[role] for role in ("text", "text_pair") if role in row) for row in rows]

    def targets(self, rows: Sequence[Row]) -> Tensor:
        labels = [row["label"] for row in rows]
        if self.kind == "multi":
            return indicator(labels, len(self.labels))
        return torch.tensor(labels, dtype=torch.float32 if self.kind == "regression" else torch.int64)

    def head(self) -> Head:
        names = {"id2label": dict(enumerate(self.labels)), "label2id": {label: i for i, label in enumerate(self.labels)}}
        return Head("AutoModelForSequenceClassification", {"num_labels": len(self.labels), "problem_type": PROBLEM[self.kind], **names})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
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

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        truth = self.targets(truths).numpy()
        if self.kind == "regression":
            return regression(truth, np.array([p["value"] for p in predictions]))
        table = np.array([[p["probabilities"][label] for label in self.labels] for p in predictions])
        if self.kind == "multi":
            return multi_label(truth.astype(int), (table >= self.threshold).astype(int), table, self.labels)
        return classification(truth, table.argmax(axis=1), table, self.labels)
