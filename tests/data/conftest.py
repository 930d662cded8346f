"""What the tests of the data layer share: a small task, and files with given contents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.task import Column, Forward, Head, Prediction, Row, RowError, Task


@dataclass
class Mood(Task):
    """Reads a text and a label; encodes words as their lengths. Nothing of it needs a model."""

    labels: list[str] = field(default_factory=list)
    longest: int = 8

    @property
    def primary(self) -> str:
        return "accuracy"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        return cls(), [{"text": "fine", "label": "good"}, {"text": "dull", "label": "bad"}]

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("text", ("sentence", "review")),
            Column("note", ("remark",), required=False),
            Column("label", ("class", "stars"), truth=True, label=True),
        )

    def learn(self, rows: Iterable[Row]) -> list[str]:
        self.labels = self.labels or sorted({str(row["label"]) for row in rows})
        return []

    def read(self, row: Row) -> Row:
        if not isinstance(row["text"], str):
            raise RowError(f"{row['text']!r} is no text", "Give a text", "text")
        if "label" not in row:
            return {"text": row["text"]}
        if str(row["label"]) not in self.labels:
            raise RowError(f"'{row['label']}' is not a known label", "Correct it", "label")
        return {"text": row["text"], "label": self.labels.index(str(row["label"]))}

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        words = [[len(word) for word in row["text"].split()] for row in rows]
        return [
            {"input_ids": ids[: self.longest], "truncated": max(0, len(ids) - self.longest), "label": row["label"], "weight": 0.5}
            for ids, row in zip(words, rows, strict=True)
        ]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        raise NotImplementedError

    def head(self) -> Head:
        raise NotImplementedError

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        raise NotImplementedError

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        raise NotImplementedError

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        raise NotImplementedError

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        raise NotImplementedError

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        raise NotImplementedError


@pytest.fixture
def task() -> Mood:
    return Mood()


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(name, content)``: a file with a text, bytes, or rows as JSON Lines."""

    def make(name: str, content: str | bytes | list[Row]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def rows() -> Callable[[int], list[Row]]:
    """``rows(n)``: that many different texts, with two labels in turn."""
    return lambda count: [{"text": f"text number {i}", "label": ("bad", "good")[i % 2]} for i in range(count)]
