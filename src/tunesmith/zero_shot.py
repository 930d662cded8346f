"""Classification without training: a model labels texts by the names of the labels, in the way that it can.

Sources: Yin et al. 2019, "Benchmarking Zero-shot Text Classification", arXiv:1909.00161, for names in the space of the texts and for
entailment; Schick and Schütze 2021, arXiv:2001.07676, for words in a pattern; Zhao et al. 2021, arXiv:2102.09690, for what is taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Head, Prediction, Row
from tunesmith.data.patterns import PLACE, check_continues, check_pattern
from tunesmith.data.sentence_folder import pooling_of, prefix_of
from tunesmith.data.sequences import joined, parted
from tunesmith.data.text import encode_texts, pad_texts
from tunesmith.model.build import build_for
from tunesmith.model.contrastive import pooled
from tunesmith.model.files import read_json
from tunesmith.model.sources import ModelSource, Say, compares_sentences, resolve
from tunesmith.model.zero_shot import chances, content_free, entailing
from tunesmith.tasks.pattern_classification import PatternClassification
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tuned import LONGEST, Tuned, finished_run, is_model

TEMPERATURE = 0.05  # what cosines are divided by, as where vectors are learned
PATTERNS = {  # way -> the pattern where none is given
    "embedding": "a text about {label}",
    "entailment": "This text is about {label}.",
    "masked": "{text} This text is about {label}.",
    "causal": "{text} This text is about {label}.",
}
PRIORS = {"none": (), "content_free": ("N/A", "[MASK]", ""), "premise": ("",)}  # prior -> the texts without content


@dataclass(frozen=True)
class Asked:
    """What a model is asked without training.

    ``labels``   what is written for each label: its name, or a description
    ``way``      embedding, entailment, masked or causal; auto: as the model can
    ``pattern``  where a label is written; the usual one of the way when empty
    ``prior``    masked and causal: what is taken off for the words themselves; auto: nothing, and content_free. ``premise`` takes off
                 what is said after the pattern alone (Holtzman et al. 2021, arXiv:2104.08315, equation 4)
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
        return Head("AutoModel", {})

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


def _of_sentences(asked: Asked, source: ModelSource) -> LabelTask:
    return Nearest(**asked.settings).asks(asked, source)


def _of_entailment(asked: Asked, source: ModelSource) -> LabelTask:
    return Entailed(**asked.settings).asks(asked, source)


def _of_words(asked: Asked, source: ModelSource) -> LabelTask:
    return Written(asked.pattern, asked.way, list(asked.labels), dict(asked.labels), LONGEST).asks(asked, source)


WAYS: dict[str, Callable[[Asked, ModelSource], LabelTask]] = {
    "embedding": _of_sentences,
    "entailment": _of_entailment,
    "masked": _of_words,
    "causal": _of_words,
}


def zero_shot(which: str | Path, asked: Asked, runs: str | Path = "runs", say: Say | None = None) -> Tuned:
    """The model that ``which`` names, a run among them, as a classifier for labels that it was never shown.

    ``say`` gets a line where something is put before each text, since the model was made so. Raises ``InputError`` for labels,
    patterns and ways that do not go with the model.
    """
    spec = str(which) if is_model(str(which), Path(runs)) else str(finished_run(which, runs) / "model")
    if len(asked.labels) < 2:
        raise InputError(Problem("there must be two labels at least", "Write --labels good,bad"))
    source = resolve(spec)
    asked = completed(asked, ways_of(source), source)
    task = WAYS[asked.way](asked, source)
    if say and (prefix := getattr(task, "prefix", "")):
        say(f"{source.name} was made for texts that begin with '{prefix}', so each text and each label does here")
    torch.manual_seed(0)
    model = build_for(task, spec)
    if lost := [name for name in model.fresh if "pooler" not in name]:
        message = f"the model cannot label by {asked.way}: {lost[0]} would be new"
        raise InputError(Problem(message, f"Name a model that was trained for it, or --way {ways_of(source)[0]}", spec))
    names = {label.lower(): label for label in task.labels} | {str(number): label for number, label in enumerate(task.labels)}
    return Tuned(model, task, {}, {other: label for other, label in names.items() if other not in task.labels})


def completed(asked: Asked, ways: Sequence[str], source: ModelSource) -> Asked:
    """What is asked, with everything said that was left to the model. Raises ``InputError`` for what nothing would read."""
    way = ways[0] if asked.way == "auto" else asked.way
    writes = way in ("masked", "causal")
    if way == "entailment" and way not in ways:
        raise InputError(Problem("the model has no label that says entailment", f"Write --way {ways[0]}", source.spec))
    if asked.prior != "auto" and not writes:
        raise InputError(Problem(f"--prior is not read where labels are found by {way}", "Take it out"))
    pattern = asked.pattern or PATTERNS[way]
    check_pattern(pattern, "--pattern", text=writes)
    if way == "causal":
        check_continues(pattern, "--pattern")
    prior = asked.prior if asked.prior != "auto" else "content_free" if way == "causal" else "none"
    return Asked(asked.labels, way, pattern, prior)


def ways_of(source: ModelSource) -> list[str]:
    """The ways in which a model can label without training, the best first. Raises ``InputError`` for one that reads no text so."""
    if source.gguf:
        return ["causal"]
    config = read_json(source.path / "config.json")
    names = " ".join(config.get("architectures") or ())
    found = {
        "embedding": compares_sentences(source),
        "entailment": entailing(config.get("id2label") or {}) is not None and "ForSequenceClassification" in names,
        "masked": "ForMaskedLM" in names or "ForPreTraining" in names,
        "causal": "ForCausalLM" in names or "LMHeadModel" in names,
    }
    ways = [way for way, fits in found.items() if fits] or ["embedding"] * names.endswith("Model")
    if not ways:
        remedy = "Name an encoder of sentences, a model of entailment or a language model; a classifier is asked without --labels"
        raise InputError(Problem(f"the model ({names or 'of no named architecture'}) labels nothing without training", remedy, source.spec))
    return ways


def labels_in(text: str) -> dict[str, str]:
    """Labels of a command line, and what is written for each: ``good,bad``, or ``good: what praises; bad: what blames``.

    Raises ``InputError`` for an empty label and for one that is there twice.
    """
    parts = [part.strip() for part in text.split(";" if ";" in text or ":" in text else ",")]
    halves = (part.partition(":") for part in parts)
    pairs = [(label.strip(), words.strip() or label.strip().replace("_", " ")) for label, _, words in halves]
    labels = [label for label, _ in pairs]
    if not all(labels) or len(set(labels)) < len(labels):
        remedy = "Write good,bad, or good: what praises; bad: what blames"
        raise InputError(Problem(f"--labels '{text}' has an empty label, or one twice", remedy))
    return dict(pairs)
