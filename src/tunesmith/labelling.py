"""The ways in which a model labels without training, as tasks: by vectors, entailment, words in a pattern, or pictures.

Sources: Yin et al. 2019, "Benchmarking Zero-shot Text Classification", arXiv:1909.00161, for names in the space of the texts and for
entailment; Schick and Schütze 2021, arXiv:2001.07676, for words in a pattern; Zhao et al. 2021, arXiv:2102.09690, for what is taken off;
Sanh et al. 2022, arXiv:2110.08207, section 5, for the words of an encoder-decoder; Radford et al. 2021, arXiv:2103.00020, for pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Head, Prediction, Row
from tunesmith.data.captions import tokenized
from tunesmith.data.patterns import PLACE, word_ids
from tunesmith.data.prompting import plain, prompts
from tunesmith.data.sentence_folder import pooling_of, prefix_of
from tunesmith.data.sequences import joined, parted
from tunesmith.data.text import encode_texts, pad_texts
from tunesmith.model import vision_text
from tunesmith.model.contrastive import pooled
from tunesmith.model.files import read_json
from tunesmith.model.processor import Processor
from tunesmith.model.sources import ModelSource
from tunesmith.model.zero_shot import chances, content_free, entailing
from tunesmith.ready import LONGEST
from tunesmith.tasks.image_classification import ImageClassification
from tunesmith.tasks.pattern_classification import PatternClassification
from tunesmith.tasks.text_classification import TextClassification

TEMPERATURE = 0.05  # what cosines are divided by, as where vectors are learned
PATTERNS = {  # way -> the pattern where none is given
    "embedding": "a text about {label}",
    "entailment": "This text is about {label}.",
    "masked": "{text} This text is about {label}.",
    "causal": "{text} This text is about {label}.",
    "text_to_text": "{text} This text is about {label}.",
    "pictures": "a photo of {label}",
}
CONTINUES = ("causal", "text_to_text")  # the label comes after all that is read
ENCODED = ("t5", "mt5", "umt5")  # whose encoders stand alone
PRIORS = {"none": (), "content_free": ("N/A", "[MASK]", ""), "premise": ("",)}  # prior -> the texts without content


@dataclass(frozen=True)
class Asked:
    """What a model is asked without training.

    ``labels``   what is written for each label: its name, or a description
    ``way``      embedding, entailment, masked, causal, text_to_text or pictures; auto: as the model can
    ``pattern``  where a label is written; the usual one of the way when empty
    ``prior``    where words are written: what is taken off for the words themselves; auto: of masked nothing, else content_free.
                 ``premise`` takes off what is said after the pattern alone (Holtzman et al. 2021, arXiv:2104.08315, equation 4)
    """

    labels: Mapping[str, str]
    way: str = "auto"
    pattern: str = ""
    prior: str = "auto"

    @property
    def statements(self) -> list[str]:
        """The pattern with each label in it."""
        return [self.pattern.replace(PLACE, word) for word in self.labels.values()]

    @property
    def settings(self) -> dict[str, Any]:
        """Of a task that reads plain texts."""
        return {"kind": "single", "labels": list(self.labels), "pairs": False, "max_length": LONGEST}


class Nearest(TextClassification):
    """The label whose statement is nearest to the text, by the vectors of an encoder of sentences."""

    def asks(self, asked: Asked, source: ModelSource) -> Nearest:
        self._pooling, self.prefix = pooling_of(source.path), prefix_of(source.path, (source.name, source.base_model))
        self._statements = [self.prefix + statement for statement in asked.statements]
        self._known: Tensor | None = None  # the vectors of the statements
        return self

    def head(self) -> Head:
        return Head("AutoModel", {}, families=dict.fromkeys(ENCODED, Head("AutoModelForTextEncoding", {})))

    def meet(self, module: Any, tokenizer: Any) -> None:
        if isinstance(tokenizer, Processor) or module.config.is_encoder_decoder:
            message = f"{module.config.model_type} models make no vectors of texts alone"
            raise InputError(Problem(message, "Name an encoder of sentences, or leave --way out"))

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        return super().encode([{**row, "text": self.prefix + row["text"]} for row in rows], tokenizer)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        if self._known is None:
            features = encode_texts(self._statements, None, tokenizer, self.max_length)
            inputs, tokens = pad_texts(features, tokenizer)
            self._known = self._vectors(Batch(inputs, {}, torch.arange(len(features)), tokens), forward)
        return self.predictions(chances(self._vectors(batch, forward) @ self._known.T / TEMPERATURE).cpu())

    def _vectors(self, batch: Batch, forward: Forward) -> Tensor:
        return pooled(forward(batch)[0], batch.inputs.get("attention_mask"), self._pooling)


class Entailed(TextClassification):
    """The label whose statement follows from the text, says a model that tells entailment."""

    one_input: ClassVar[bool] = False

    def asks(self, asked: Asked, source: ModelSource) -> Entailed:
        self._statements = asked.statements
        self._column = entailing(read_json(source.path / "config.json").get("id2label", {}))
        return self

    def head(self) -> Head:
        return Head("AutoModelForSequenceClassification", {})

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        asked = [(row["text"], statement) for row in rows for statement in self._statements]
        firsts, seconds = zip(*asked, strict=True)
        coded = iter(encode_texts(firsts, seconds, tokenizer, self.max_length))
        items = [joined([next(coded) for _ in self._statements]) for _ in rows]
        return [item | ({"label": row["label"]} if "label" in row else {}) for item, row in zip(items, rows, strict=True)]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, tokens = pad_texts([sequence for item in features for sequence in parted(item)], tokenizer)
        targets = {"labels": self.targets(features)} if "label" in features[0] else {}
        return Batch(inputs, targets, torch.tensor([item["row"] for item in features]), tokens)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        scores = forward(batch).logits.float()[:, self._column].view(len(batch), len(self.labels))
        return self.predictions(chances(scores).cpu())


class Written(PatternClassification):
    """The label whose word a language model writes in the pattern, what the words have by themselves taken off."""

    def asks(self, asked: Asked, source: ModelSource) -> Written:
        self._free = PRIORS[asked.prior]
        self._prior: Tensor | None = None
        return self

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        if self._free and self._prior is None:
            items = [{**item, "row": row} for row, item in enumerate(self.encode([{"text": text} for text in self._free], tokenizer))]
            free = self.collate(items, tokenizer).to(forward.device)
            self._prior = content_free(self.scores(free, forward))
        return self.predictions(chances(self.scores(batch.to(forward.device), forward), self._prior).cpu())


class Told(Written):
    """The label whose word the decoder of an encoder-decoder writes, with the end behind it, where the encoder reads the pattern before."""

    def meet(self, module: Any, tokenizer: Any) -> None:
        word_ids(self.written, PLACE, tokenizer)
        self._ids = tokenizer(text_target=self.written)["input_ids"]

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        template = self.pattern[: self.pattern.index(PLACE)].rstrip(" ")
        texts = [{"text": row["text"]} for row in rows]
        found = zip(*prompts(template, texts, plain(tokenizer, ended=True), min(self.max_length, tokenizer.model_max_length)), strict=True)
        items: list[Row] = [{"input_ids": ids, "length": len(ids), "truncated": cut} for ids, cut in found]
        return [item | ({"label": row["label"]} if "label" in row else {}) for item, row in zip(items, rows, strict=True)]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, tokens = pad_texts(features, tokenizer)
        return Batch(inputs, {}, torch.tensor([item["row"] for item in features]), tokens)

    def head(self) -> Head:
        return Head("AutoModelForSeq2SeqLM", {})

    def scores(self, batch: Batch, forward: Forward) -> Tensor:
        found = []
        for ids in self._ids:
            words = torch.tensor(ids, device=forward.device).repeat(len(batch), 1)
            logits = forward(replace(batch, inputs={**batch.inputs, "labels": words})).logits
            found.append(logits.float().log_softmax(dim=2).gather(2, words[:, :, None]).sum(dim=(1, 2)))
        return torch.stack(found, dim=1)


class Pictured(ImageClassification):
    """The label whose statement is nearest to the picture, by a model that brings both together (CLIP)."""

    def asks(self, asked: Asked) -> Pictured:
        self._statements = asked.statements
        self._known: Tensor | None = None  # the vectors of the statements
        return self

    def head(self) -> Head:
        return Head("AutoModelForZeroShotImageClassification", {})

    def meet(self, module: Any, tokenizer: Any) -> None:
        if not vision_text.compares(module):
            raise InputError(Problem(f"{module.config.model_type} models have no vectors of pictures and texts", "Name a CLIP"))
        super().meet(module, tokenizer)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        if self._known is None:
            self._known = vision_text.vectors(forward, "text", tokenized(self._statements, tokenizer.tokenizer, LONGEST))
        seen = vision_text.vectors(forward, "image", batch.inputs)
        return self.predictions(vision_text.zero_shot(forward.module, seen, self._known))


def _of_sentences(asked: Asked, source: ModelSource) -> LabelTask:
    return Nearest(**asked.settings).asks(asked, source)


def _of_entailment(asked: Asked, source: ModelSource) -> LabelTask:
    return Entailed(**asked.settings).asks(asked, source)


def _of_words(asked: Asked, source: ModelSource) -> LabelTask:
    return Written(asked.pattern, asked.way, list(asked.labels), dict(asked.labels), LONGEST).asks(asked, source)


def _of_told(asked: Asked, source: ModelSource) -> LabelTask:
    return Told(asked.pattern, "causal", list(asked.labels), dict(asked.labels), LONGEST).asks(asked, source)


def _of_pictures(asked: Asked, source: ModelSource) -> LabelTask:
    return Pictured("single", list(asked.labels)).asks(asked)


WAYS: dict[str, Callable[[Asked, ModelSource], LabelTask]] = {
    "embedding": _of_sentences,
    "entailment": _of_entailment,
    "masked": _of_words,
    "causal": _of_words,
    "text_to_text": _of_told,
    "pictures": _of_pictures,
}
