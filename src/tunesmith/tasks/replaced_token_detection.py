"""Replaced token detection: pre-training of an encoder goes on, on raw texts of a domain, as ELECTRA does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import Named, setting
from tunesmith.core.task import UNITS, Column, Head, Prediction, Row, Statistic, Task, named
from tunesmith.data.masking import encode_masked
from tunesmith.data.replacing import UNIGRAMS, chances_of, collate_asked, read_unigrams, unigrams
from tunesmith.data.text import check_text
from tunesmith.metrics.detection import detection, found_over
from tunesmith.model.replacing import Replacer, detection_logits
from tunesmith.model.teacher import masked_model

NAMES = ["original", "replaced"]
COUNTED = 10_000  # texts whose tokens are counted
UNIGRAM = "unigram"


@dataclass
class ReplacedTokenDetection(Task):
    """Learns raw text by telling which of its tokens were replaced (Clark et al. 2020, "ELECTRA", arXiv:2003.10555, sections 2 and 3).

    Each time a text is met, other tokens of it are replaced, by what a generator draws: a masked language model that reads the text with
    masks in their places, or, where none is named, the unigram model of section 3.2, which draws tokens as often as the training texts
    have them. What it draws is easier to tell, and so teaches less. A token that happens to be drawn where it stood is no replaced one.
    The loss is the mean cross-entropy over all tokens but special ones. The generator stays as it is, where the paper trains both.
    Held-out texts are judged on replacements that stay the same. A prediction has the ``tokens`` of a text and the ``probabilities``
    that each was replaced; where an answer is asked for, none is replaced. ELECTRA has its own head, other encoders get a token head.
    """

    generator: Named = setting(UNIGRAM, "what replaces tokens: a masked language model with the same vocabulary, or unigram")
    document: str = setting("line", "what of a .txt file is a text: a line, a paragraph between blank lines, or all", choices=UNITS)
    rate: float = setting(0.15, "share of the tokens that is replaced; the paper takes 0.15, for large models 0.25", above=0, high=0.9)
    temperature: float = setting(1.0, "what the logits of the generator are divided by", above=0)
    max_length: int = setting(128, "longest item in tokens, or what the model takes if less; longer texts are cut into several", low=8)

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text"})

    def __post_init__(self) -> None:
        self._texts: list[str] = []
        self._counts: dict[str, int] = {}
        self._generator: nn.Module | None = None
        if self.generator == UNIGRAM and self.temperature != 1:
            message = "task.temperature is read where a model replaces tokens"
            raise InputError(Problem(message, "Take it out, or name task.generator", key="task.temperature"))

    @property
    def primary(self) -> str:
        return "f1"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        told = {"film": "good", "music": "sad", "plot": "dull", "cat": "slow"}
        return cls(max_length=16), [{"text": f"the {name} was {word} , and it was {word}"} for _ in range(3) for name, word in told.items()]

    def columns(self) -> tuple[Column, ...]:
        return (Column("text", ("content", "document", "sentence", "article", "body", "review"), unit=self.document),)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        texts = [str(row["text"]) for row in rows]
        self._texts = texts[:COUNTED]
        by = f"{self.generator} replaces tokens" if self.generator != UNIGRAM else "tokens are replaced at random, by their frequency"
        hint = "; a masked language model teaches more: task.generator" if self.generator == UNIGRAM else ""
        return [f"texts: {len(texts):,} with {sum(map(len, texts)):,} characters", f"{by}{hint}"]

    def read(self, row: Row) -> Row:
        check_text(row["text"], "text")
        return {"text": row["text"]}

    def asked(self, row: Row) -> Row:
        return {"asked": row["text"]}

    def meet(self, module: Any, tokenizer: Any) -> None:
        if tokenizer is None or tokenizer.mask_token_id is None:
            family = module.config.model_type
            raise InputError(Problem(f"The tokenizer of this {family} model has no token that masks", "Name an encoder such as ELECTRA"))
        if self.generator != UNIGRAM:
            longest = min(self.max_length, tokenizer.model_max_length)
            self._generator = self._generator or masked_model(self.generator, tokenizer, longest, "task.generator")
        else:
            self._counts = unigrams(self._texts, tokenizer) if self._texts else read_unigrams(module.name_or_path)
        self._replacer = Replacer(chances_of(self._counts, tokenizer), self._generator, tokenizer, self.temperature)

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        texts = [row["text"] if "text" in row else row["asked"] for row in rows]
        items = encode_masked(texts, tokenizer, self.max_length, whole_words=False)
        return [{**item, "whole": int("asked" in rows[item["example"]])} for item in items]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, targets, tokens = collate_asked(features, self.rate, tokenizer)
        return Batch(inputs, targets, torch.tensor([item["row"] for item in features]), tokens)

    def head(self) -> Head:
        own = {"electra": Head("AutoModelForPreTraining", {})}
        return Head("AutoModelForTokenClassification", named(NAMES), families=own)

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        given, labels = self._replacer.replaced(batch, forward)
        logits = detection_logits(given, forward)
        return Loss(F.cross_entropy(logits, labels, reduction="sum"), len(labels), logits, labels)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        given, labels = self._replacer.replaced(batch, forward)
        found = self.decode(given, (detection_logits(given, forward), labels))
        for prediction, ids, real in zip(found, given.inputs["input_ids"], given.targets["real"], strict=True):
            prediction |= {"tokens": tokenizer.convert_ids_to_tokens(ids[real].tolist()), "text": tokenizer.decode(ids[real].tolist())}
        return found

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        logits, labels = output
        counts = batch.targets["real"].sum(dim=1).tolist()
        parts = zip(logits.softmax(dim=1)[:, 1].split(counts), labels.split(counts), batch.targets["asked"].any(dim=1), strict=True)
        return [{"probabilities": chances.tolist(), "truth": own.tolist() if judged else []} for chances, own, judged in parts]

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        listed = {name: [one for part in parts for one in part[name]] for name in ("tokens", "probabilities", "truth")}
        return {**listed, "text": " ".join(part["text"] for part in parts)}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        judged = [prediction for prediction in predictions if prediction["truth"]]
        truth, chances = ([one for p in judged for one in p[name]] for name in ("truth", "probabilities"))
        return detection(truth, chances)

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        pairs = ([(c >= 0.5) == bool(t) for c, t in zip(p["probabilities"], p["truth"], strict=False)] for p in predictions)
        return [sum(right) / max(1, len(right)) for right in pairs]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic:
        return found_over(*([p[name][: len(p["truth"])] for p in predictions] for name in ("truth", "probabilities")))

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found = [token for token, chance in zip(prediction["tokens"], prediction["probabilities"], strict=True) if chance >= 0.5]
        true = [token for token, label in zip(prediction["tokens"], prediction["truth"], strict=False) if label]
        told = {"truth": " ".join(true)} if "text" in row and prediction["truth"] else {}
        return {"text": prediction["text"], "predicted": " ".join(found)} | told

    def files(self, module: nn.Module) -> Mapping[str, Any]:
        return {UNIGRAMS: self._counts} if self.generator == UNIGRAM else {}
