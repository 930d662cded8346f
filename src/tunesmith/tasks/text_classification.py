"""Text classification: one label, several labels or a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.label_task import LabelTask
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row
from tunesmith.data.labels import kind_of, label_id, label_ids, labels_of, number, summary, telling, weights_of
from tunesmith.data.text import check_text, encode_texts, pad_texts
from tunesmith.metrics.classify import classification, multi_label, regression

READ: dict[str, Callable[[Any, Sequence[str]], Any]] = {"single": label_id, "multi": label_ids, "regression": number}


@dataclass
class TextClassification(LabelTask):
    """Gives a text, or a pair of texts, a label (``single``), any number of labels (``multi``) or a number (``regression``).

    The loss is cross-entropy, binary cross-entropy (the mean over labels) or the squared error. With class weights a row counts as
    much as its label weighs; of several labels each has its weight in the mean.
    """

    kind: str = setting("auto", "what is predicted; auto looks at the label column", choices=("auto", "single", "multi", "regression"))
    labels: list[str] = setting(factory=list, text="label names in order; those of the training rows when empty")
    separator: str = setting("|", "multi: what parts the labels in one cell, as in a|b; a list is several labels too, [] is none")
    pairs: bool | None = setting(None, "whether each row has a second text; when not said: if there is a column for it")
    class_weights: str | list[float] | dict[str, float] = setting(
        "none", "weights of the labels in the loss: none, balanced, one for each label in order, or {label: weight}", above=0
    )
    max_length: int = setting(256, "longest text in tokens, or what the model takes if less; longer ones are cut and counted", low=8)
    metric: str = setting("auto", "the metric that decides; auto takes accuracy, f1_micro or pearson by kind")
    threshold: float | Literal["auto"] = setting(
        "auto", "multi: probability from which a label is given; auto: what does best on the validation rows, 0.5 without", low=0, high=1
    )

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text", "labels of whole texts", "logits of whole rows"})
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "separator": ("kind", ("auto", "multi")),
        "class_weights": ("kind", ("auto", "single", "multi")),
        "threshold": ("kind", ("auto", "multi")),
    }

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
        first = ("text", "sentence", "sentence1", "text1", "question1", "review", "content", "question", "premise", "query", "body")
        second = ("text_pair", "sentence2", "text2", "question2", "passage", "hypothesis", "context")
        label = ("label", "labels", "class", "category", "target", "score", "tags", "sentiment", "stars", "rating", "intent", "topic")
        return (
            Column("text", (*first, "comment", "message", "title")),
            *([] if self.pairs is False else [Column("text_pair", second, required=bool(self.pairs))]),
            Column("label", label, truth=True, label=True, separator=self.separator if self.kind in ("auto", "multi") else ""),
        )

    def learn(self, rows: Iterable[Row]) -> list[str]:
        values = []
        for row in rows:
            self.pairs = "text_pair" in row
            values += [row["label"]] if row["label"] not in (None, "") else []
        self.decide(kind_of(values, self.labels) if self.kind == "auto" else self.kind)
        self.labels = labels_of(values, self.kind, self.labels)
        self.class_weights = weights_of(values, self.labels, self.class_weights)
        return [summary(values, self.kind, self.labels)]

    def read(self, row: Row) -> Row:
        texts = texts_of(row)
        for role, text in texts.items():
            check_text(text, role)
        return texts | ({"label": READ[self.kind](row["label"], self.labels)} if "label" in row else {})

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        pairs = [row["text_pair"] for row in rows] if "text_pair" in rows[0] else None
        features = encode_texts([row["text"] for row in rows], pairs, tokenizer, self.max_length)
        return [feature | ({"label": row["label"]} if "label" in row else {}) for feature, row in zip(features, rows, strict=True)]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, tokens = pad_texts(features, tokenizer)
        targets = {"labels": self.targets(features)} if "label" in features[0] else {}
        return Batch(inputs, targets, torch.tensor([f["row"] for f in features]), tokens)

    def texts(self, rows: Sequence[Row]) -> list[str]:
        return [" ".join(texts_of(row).values()) for row in rows]

    def head(self) -> Head:
        return Head("AutoModelForSequenceClassification", self.told())

    def label_rows(self) -> list[Row]:
        asked = self.kind == "single" and not self.pairs and telling(self.labels)
        return [{"text": label.replace("_", " ")} for label in self.labels] if asked else []

    def score(self, table: Tensor, truth: Tensor, given: Tensor | None, ranked: bool = True) -> dict[str, Any]:
        if self.kind == "regression":
            return regression(truth, table[:, 0])
        if given is not None:
            return multi_label(truth, given, table if ranked else None, self.labels)
        return classification(truth, table.argmax(dim=1), table if ranked else None, self.labels)

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        return super().shown(row, prediction) | texts_of(row)


def texts_of(row: Row) -> Row:
    """The texts of a row, by role."""
    return {role: row[role] for role in ("text", "text_pair") if role in row}
