"""Audio classification: one label, several labels or a number for a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.label_task import LabelTask
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Row
from tunesmith.data.audio import hearable, positions, read_sound, seconds_of, tone, window
from tunesmith.data.labels import kind_of, label_id, label_ids, labels_of, number, summary, weights_of
from tunesmith.data.media import as_feature, called
from tunesmith.metrics.classify import classification, multi_label, regression

READ: dict[str, Callable[[Any, Sequence[str]], Any]] = {"single": label_id, "multi": label_ids, "regression": number}


@dataclass
class AudioClassification(LabelTask):
    """Gives a recording a label (``single``), any number of labels (``multi``) or a number (``regression``).

    A recording is the path of a WAV, FLAC, OGG or MP3 file, from the folder of the data file, its bytes, ``{bytes, path}`` or
    ``{array, sampling_rate}``. Channels are averaged, and the rate is made the model's. What is longer than ``max_seconds`` is cut, and
    counted. Losses and class weights are those of text classification.
    """

    kind: str = setting("auto", "what is predicted; auto looks at the label column", choices=("auto", "single", "multi", "regression"))
    labels: list[str] = setting(factory=list, text="label names in order; those of the training rows when empty")
    separator: str = setting("|", "multi: what parts the labels in one cell, as in a|b; a list is several labels too, [] is none")
    class_weights: str | list[float] | dict[str, float] = setting(
        "none", "weights of the labels in the loss: none, balanced, one for each label in order, or {label: weight}", above=0
    )
    max_seconds: float = setting(30.0, "longest recording in seconds, or what the model takes if less; longer ones are cut", above=0)
    metric: str = setting("auto", "the metric that decides; auto takes accuracy, f1_micro or pearson by kind")
    threshold: float | Literal["auto"] = setting(
        "auto", "multi: probability from which a label is given; auto: what does best on the validation rows, 0.5 without", low=0, high=1
    )

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "logits of whole rows"})
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "separator": ("kind", ("auto", "multi")),
        "class_weights": ("kind", ("auto", "single", "multi")),
        "threshold": ("kind", ("auto", "multi")),
    }

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        pitches = {"low": (150, 170, 190, 210, 230, 250), "high": (3000, 3200, 3400, 3600, 3800, 4000)}
        rows = [{"audio": tone(pitch), "label": label} for label, several in pitches.items() for pitch in several]
        return cls(), rows

    def columns(self) -> tuple[Column, ...]:
        audio = ("sound", "speech", "recording", "clip", "wav", "audio_path", "file", "file_name", "path")
        label = ("label", "labels", "class", "category", "target", "command", "keyword", "emotion", "speaker", "language", "tags")
        separator = self.separator if self.kind in ("auto", "multi") else ""
        return Column("audio", audio, file=True), Column("label", label, truth=True, label=True, separator=separator)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        values = [row["label"] for row in rows if row["label"] not in (None, "")]
        self.decide(kind_of(values, self.labels) if self.kind == "auto" else self.kind)
        self.labels = labels_of(values, self.kind, self.labels)
        self.class_weights = weights_of(values, self.labels, self.class_weights)
        return [summary(values, self.kind, self.labels)]

    def read(self, row: Row) -> Row:
        label = {"label": READ[self.kind](row["label"], self.labels)} if "label" in row else {}
        return {"audio": read_sound(row["audio"]), **label}

    def meet(self, module: Any, tokenizer: Any) -> None:
        self._seconds = min(self.max_seconds, window(tokenizer.reader))

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        features = []
        for row in rows:
            seconds = seconds_of(row["audio"])
            taken = positions(tokenizer.reader, min(seconds, self._seconds))
            feature = {**as_feature(row["audio"]), "length": taken, "truncated": int(seconds > self._seconds)}
            features.append(feature | ({"label": row["label"]} if "label" in row else {}))
        return features

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs = hearable(features, tokenizer.reader, self._seconds)
        targets = {"labels": self.targets(features)} if "label" in features[0] else {}
        return Batch(inputs, targets, torch.tensor([f["row"] for f in features]), sum(f["length"] for f in features))

    def texts(self, rows: Sequence[Row]) -> list[str]:
        return [called(row["audio"], "recording") for row in rows]

    def head(self) -> Head:
        return Head("AutoModelForAudioClassification", self.told())

    def score(self, table: Tensor, truth: Tensor, given: Tensor | None, ranked: bool = True) -> dict[str, Any]:
        if self.kind == "regression":
            return regression(truth, table[:, 0])
        if given is not None:
            return multi_label(truth, given, table if ranked else None, self.labels)
        return classification(truth, table.argmax(dim=1), table if ranked else None, self.labels)
