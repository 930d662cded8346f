"""Pattern classification: a language model labels a text by the word that it writes in a pattern, with the head that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.label_task import LabelTask
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row
from tunesmith.data import patterns
from tunesmith.data.branches import probe
from tunesmith.data.choice_items import likelihoods
from tunesmith.data.labels import label_id, labels_of, nearest, summary
from tunesmith.data.text import check_text
from tunesmith.metrics.classify import classification
from tunesmith.model.apart import shares_rows
from tunesmith.model.labelled import labelled_logits
from tunesmith.model.zero_shot import cloze_scores

HEADS = {"masked": "AutoModelForMaskedLM", "causal": "AutoModelForCausalLM"}


@dataclass
class PatternClassification(LabelTask):
    """Puts a text into a pattern and gives it the label whose word the language model finds likeliest there (PET).

    Nothing is new in the model, so it answers before any tuning, and few rows go far (Schick and Schütze 2021, arXiv:2001.07676). A masked
    model (BERT) scores a word by the mean log-probability of its tokens at as many masks, a causal one (GPT, Llama) by its log-likelihood
    after the pattern up to there. The loss is the cross-entropy over the labels. The saved model is a language model, as it was.
    """

    pattern: str = setting("{text} It was {label}.", "what is read: {text} and {label} once each, {label} after {text} where causal")
    language: str = setting("masked", "what the model is: it reads around the label, or up to it", choices=tuple(HEADS))
    labels: list[str] = setting(factory=list, text="label names in order; those of the training rows when empty")
    words: dict[str, str] = setting(factory=dict, text="what is written for a label, where that is not its name: {label: word}")
    max_length: int = setting(256, "longest text in its pattern in tokens, or what the model takes if less; longer texts are cut", low=16)
    metric: str = setting("auto", "the metric that decides; auto takes accuracy")

    kind = "single"
    class_weights = "none"
    threshold = 0.5

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "logits of whole rows"})
    one_input: ClassVar[bool] = False

    def __post_init__(self) -> None:
        patterns.check_pattern(self.pattern, "task.pattern")
        if self.language == "causal":
            patterns.check_continues(self.pattern, "task.pattern")
        super().__post_init__()

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        good, bad = ("a wonderful film", "what a great day"), ("a dull film", "what a poor day")
        rows = [
            {"text": f"{text} number {i}", "label": label}
            for i in range(3)
            for label, texts in (("good", good), ("bad", bad))
            for text in texts
        ]
        return cls("{text} . it was {label} .", words={"good": "fine"}, max_length=16), rows

    def columns(self) -> tuple[Column, ...]:
        text = ("text", "sentence", "review", "content", "question", "query", "body", "comment", "message", "title")
        label = ("label", "labels", "class", "category", "target", "sentiment", "stars", "rating", "intent", "topic")
        return Column("text", text), Column("label", label, truth=True, label=True)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        values = [row["label"] for row in rows if row["label"] not in (None, "")]
        self.labels = labels_of(values, self.kind, self.labels)
        if unknown := [name for name in self.words if name not in self.labels]:
            raise InputError(*(Problem(f"'{name}' is no label", nearest(name, self.labels), key="task.words") for name in unknown))
        written = ", ".join(f"{label} <- {word}" for label, word in zip(self.labels, self.written, strict=True) if word != label)
        return [summary(values, self.kind, self.labels), *([f"words: {written}"] if written else [])]

    @property
    def written(self) -> list[str]:
        """The word of each label."""
        return [self.words.get(label, label.replace("_", " ")) for label in self.labels]

    def read(self, row: Row) -> Row:
        check_text(row["text"], "text")
        return {"text": row["text"]} | ({"label": label_id(row["label"], self.labels)} if "label" in row else {})

    def meet(self, module: Any, tokenizer: Any) -> None:
        family = module.config.model_type
        if module.config.is_encoder_decoder:
            raise InputError(Problem(f"{family} models have an encoder and a decoder", "Name an encoder such as BERT, or a decoder"))
        if self.language == "masked" and tokenizer.mask_token_id is None:
            raise InputError(Problem(f"The tokenizer of this {family} model has no token that masks", "Set task.language: causal"))
        self._ids = patterns.word_ids(self.written, self.pattern, tokenizer)
        self.packed = self.language == "causal" and shares_rows(module, None, self.max_length, *probe())

    def begin(self, run: Any) -> None:
        if run.new_head:
            run.say("pattern_classification: the head that writes words is new, so they mean nothing yet; name a model that brings its own")

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        texts = [row["text"] for row in rows]
        if self.language == "causal":
            items = patterns.encode_continued(texts, self.pattern, self._ids, tokenizer, self.max_length)
        else:
            items = patterns.encode_cloze(texts, self.pattern, sorted(set(map(len, self._ids))), tokenizer, self.max_length)
        return [item | ({"label": row["label"]} if "label" in row else {}) for item, row in zip(items, rows, strict=True)]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        if self.language == "causal":
            inputs, targets, tokens = patterns.pad_continued(features, tokenizer, self.packed)
        else:
            inputs, targets, tokens = patterns.pad_cloze(features, tokenizer)
        right = {"right": self.targets(features)} if "label" in features[0] else {}
        return Batch(inputs, targets | right, torch.tensor([item["row"] for item in features]), tokens)

    def texts(self, rows: Sequence[Row]) -> list[str]:
        return [row["text"] for row in rows]

    def head(self) -> Head:
        return Head(HEADS[self.language], {}, instead=f"task.language: {'causal' if self.language == 'masked' else 'masked'}")

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        scores, right = self.scores(batch, forward), batch.targets["right"]
        return Loss(F.cross_entropy(scores, right, reduction="sum"), len(batch), scores, right)

    def scores(self, batch: Batch, forward: Forward) -> Tensor:
        """How likely the word of each label is, (batch, labels) log-probabilities."""
        logits, tokens = labelled_logits(batch, forward)
        if self.language == "masked":
            return cloze_scores(logits, self._ids)
        return likelihoods(logits, tokens, batch.targets).view(len(batch), len(self.labels))

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        return self.decode(batch, self.scores(batch.to(forward.device), forward))

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return self.predictions(output.softmax(dim=1))

    def score(self, table: Tensor, truth: Tensor, given: Tensor | None, ranked: bool = True) -> dict[str, Any]:
        return classification(truth, table.argmax(dim=1), table if ranked else None, self.labels)
