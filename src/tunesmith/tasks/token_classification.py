"""Token classification: a tag for each token of a text, and the entities that the tags write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Statistic, Task, named
from tunesmith.data import tagged
from tunesmith.data.pieces import IGNORED, Pieces, encode_tagged, pad_places
from tunesmith.data.tagged import Tagged, most_frequent
from tunesmith.data.tagging import PREFIXES, allowed, inside_of, likeliest
from tunesmith.data.text import pad_texts
from tunesmith.data.tokens import PARTINGS, Tokens
from tunesmith.metrics.entities import entity_f1, entity_scores, marked, placed, tag_scores, tags_over, token_accuracy


@dataclass
class TokenClassification(Task):
    """Gives each token of a text a tag: a part of speech, or its place in an entity (``B-PER I-PER O``).

    Rows are tokens and tags, as lists, as cells parted by blanks or as CoNLL files, or a text and its entities in characters. The loss is
    the mean cross-entropy over tokens, at the first piece of each. A prediction has ``tokens``, their ``tags`` and ``confidences``, and
    ``entities`` with ``label``, ``text``, ``start`` and ``end`` in characters, and ``confidence``, the mean of their tags'. Long texts
    are read in overlapping windows. BILOU and BMES are written as BIOES.
    """

    scheme: str = setting("auto", "how tags write entities; io: I- may begin them, none: they write none", choices=("auto", *PREFIXES))
    labels: list[str] = setting(factory=list, text="tags in order; those of the training rows, completed by the scheme, when empty")
    parting: str = setting("auto", "how texts that come whole become tokens; auto: as the training rows", choices=("auto", *PARTINGS))
    max_length: int = setting(256, "longest window in pieces, or what the model takes if less", low=8)
    stride: int | None = setting(None, "pieces that windows of a long text share; a quarter of the window when not said", low=0)
    pieces: str = setting("first", "which pieces of a token learn its tag; those after B- learn I-", choices=("first", "all"))
    probabilities: bool = setting(False, "whether predictions have the probability of every tag, for each token in turn")
    decoding: str = setting("valid", "the likeliest sequence that the scheme allows, or each token's tag", choices=("valid", "each"))

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text"})
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {"decoding": ("scheme", ("auto", "bio", "bioes"))}

    @property
    def primary(self) -> str:
        return "accuracy" if self.scheme == "none" else "f1"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        written = (
            ("the man in paris was good", "O O O B-PLACE O O"),
            ("a small woman loved the new film", "O B-WHO I-WHO O O B-WHAT I-WHAT"),
            ("is it a good day in small paris", "O O O O O O B-PLACE I-PLACE"),
        )
        return cls(max_length=16), [{"text": text.split(), "tags": tags.split()} for text, tags in written * 4]

    def columns(self) -> tuple[Column, ...]:
        tags = ("tags", "ner_tags", "ner", "pos_tags", "upos", "entities", "spans", "labels", "label", "tag", "annotations")
        return Column("text", ("tokens", "words", "sentence", "content")), Column("tags", tags, truth=True, tags=True)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        given = self.scheme
        found = tagged.learn(rows, self.scheme, self.labels, self.parting)
        self.scheme, self.labels, self.parting = found.tagged.scheme, list(found.tagged.labels), found.tagged.parting
        if given == "auto" and self.decoding != "valid" and self.scheme not in self.applies["decoding"][1]:
            message = f"task.decoding is not read: by the tags, scheme is {self.scheme}"
            raise InputError(Problem(message, "Take it out", key="task.decoding"))
        return found.lines

    def read(self, row: Row) -> Row:
        return Tagged(self.scheme, self.labels, self.parting).read(row)

    def meet(self, module: Any, tokenizer: Any) -> None:
        Pieces.of(tokenizer, self.max_length, self.stride)

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        inside = inside_of(self.labels) if self.pieces == "all" else [IGNORED] * len(self.labels)
        return encode_tagged(rows, tokenizer, Pieces.of(tokenizer, self.max_length, self.stride), inside)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, tokens = pad_texts(features, tokenizer)
        names = [name for name in ("firsts", "labels") if name in features[0]]
        found: dict[str, Tensor] = {name: pad_places(features, name, IGNORED, inputs["input_ids"], tokenizer) for name in names}
        rows, firsts = torch.tensor([item["row"] for item in features]), found.pop("firsts")
        return Batch(inputs, found, rows, tokens, {"items": features, "firsts": firsts})

    def head(self) -> Head:
        return Head("AutoModelForTokenClassification", named(self.labels))

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        labels = batch.targets["labels"]  # (batch, length)
        there = labels != IGNORED
        logits = forward(batch).logits[there].float()  # (tokens, labels)
        return Loss(F.cross_entropy(logits, labels[there], reduction="sum"), len(logits), logits, labels[there])

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        scores, found = output.logits.float().log_softmax(dim=2).cpu(), []  # (batch, length, labels)
        for item, firsts, own in zip(batch.notes["items"], batch.notes["firsts"], scores, strict=True):
            part = {"text": bytes(item["text"]).decode(), "starts": item["starts"], "ends": item["ends"]}
            found.append({**part, "places": firsts[firsts >= 0].tolist(), "scores": own[firsts >= 0].tolist()})
        return found

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        tokens, scores = Tokens.of(parts[0]), np.zeros((len(parts[0]["starts"]), len(self.labels)))
        for part in parts:
            scores[part["places"]] = np.reshape(part["scores"], (-1, len(self.labels)))
        tags = likeliest(scores, allowed(self.labels, self.scheme if self.decoding == "valid" else "none"))
        chances = np.exp(scores)  # (tokens, labels)
        found = self._prediction(tokens, [self.labels[tag] for tag in tags], chances[range(len(tokens)), tags].tolist())
        return found | ({"probabilities": dict(zip(self.labels, chances.T.tolist(), strict=True))} if self.probabilities else {})

    def _prediction(self, tokens: Tokens, tags: list[str], confidences: list[float]) -> Prediction:
        found: Prediction = {"tokens": tokens.words(), "tags": tags, "confidences": confidences}
        return found if self.scheme == "none" else found | {"entities": placed(tokens.text, tokens.starts, tokens.ends, tags, confidences)}

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        tag_of = most_frequent((Tokens.of(row).words(), row["tags"]) for row in train)
        sentences = [Tokens.of(row) for row in asked]
        tags = [[self.labels[tag_of(word)] for word in tokens.words()] for tokens in sentences]
        return {"most_frequent_tag": [self._prediction(words, own, [1.0] * len(own)) for words, own in zip(sentences, tags, strict=True)]}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        given, right = [p["tags"] for p in predictions], [self._named(row) for row in truths]
        return tag_scores(given, right, self.labels) if self.scheme == "none" else entity_scores(given, right)

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        judge = token_accuracy if self.scheme == "none" else entity_f1
        return [judge(p["tags"], self._named(row)) for p, row in zip(predictions, truths, strict=True)]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic:
        return tags_over([p["tags"] for p in predictions], [self._named(row) for row in truths], self.scheme == "none")

    def _named(self, row: Row) -> list[str]:
        return [self.labels[tag] for tag in row["tags"]]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        tokens, tags, plain = Tokens.of(row), prediction["tags"], self.scheme == "none"
        found = {"text": tokens.text, "predicted": marked(tokens.words(), tags, plain)}
        truth = {"truth": marked(tokens.words(), self._named(row), plain)} if "tags" in row else {}
        said = {name: prediction[name] for name in ("tags", "entities") if name in prediction}
        return found | truth | said | {"confidence": float(np.mean(prediction["confidences"]))}
