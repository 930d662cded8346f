"""Causal language modelling: raw text goes on, token by token, as in pre-training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import UNITS, Column, Head, Prediction, Row, Statistic, Task
from tunesmith.data.documents import Windows, encode_documents, encode_prompts, pad_documents
from tunesmith.data.packing import by_text, probe
from tunesmith.data.text import check_text
from tunesmith.metrics.diversity import distinct, repetition
from tunesmith.metrics.interval import over_sums
from tunesmith.metrics.likelihood import SUMS, bits_per_byte, likelihood, likelihood_over
from tunesmith.model.apart import ALONE, shares_rows
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate, texts
from tunesmith.model.labelled import labelled_logits, labelled_losses


@dataclass
class CausalLanguageModelling(Task):
    """Learns raw text by foreseeing each token from those before it: pre-training goes on, on texts of a domain or a writer.

    The loss is the cross-entropy of every token of a document and of its end. Long documents are cut into windows, and each token is
    foreseen once; short ones share a row of the batch, without seeing each other. A prediction has the ``text`` that goes on from a
    prompt; held-out documents are judged by how well they were foreseen (``perplexity``, ``bits_per_byte``, which compares models with
    different tokenizers, ``token_accuracy``), and by how varied texts are that go on from their beginnings.
    """

    document: str = setting("line", "what of a .txt file is a document: a line, a paragraph between blank lines, or all", choices=UNITS)
    max_length: int = setting(512, "longest window in tokens, or what the model takes; longer documents are cut into several", low=8)
    stride: int = setting(0, "tokens that windows of a long document share: seen again, and not learned again", low=0)
    pack: bool | None = setting(None, "whether short documents share a row of the batch; when not said: if the model keeps them apart")
    keep_logits: bool = setting(False, "make all logits of a micro-batch at once: strategies that need logits can be used, for more memory")
    written: int = setting(8, "held-out documents whose beginnings are gone on from whenever rows are judged", low=0)
    prompt_length: int = setting(32, "longest of these beginnings in tokens; at most half of the document's first window", low=0)
    max_new_tokens: int = setting(64, "longest text that is written, in tokens", low=1)
    temperature: float = setting(0.0, "writing: 0 takes the likeliest token; above, drawn from softmax(logits / temperature)", low=0)
    metric: str = setting("perplexity", "the metric that decides", choices=("perplexity", "loss", "bits_per_byte", "token_accuracy"))

    @property
    def offers(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"text", "perplexity"} | ({"logits"} if self.keep_logits else set()))

    @property
    def primary(self) -> str:
        return self.metric

    @property
    def higher_is_better(self) -> bool:
        return self.metric == "token_accuracy"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        told = {"film": "good", "music": "sad", "plot": "dull", "cat": "slow"}
        rows = [{"text": f"{i} the {name} was {word} , and it was " * (1 + i)} for i in range(3) for name, word in told.items()]
        return cls(max_length=16, stride=2, max_new_tokens=3, prompt_length=3, written=2), rows

    def columns(self) -> tuple[Column, ...]:
        return (Column("text", ("content", "document", "story", "article", "body", "poem", "lyrics", "raw_content"), unit=self.document),)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        sizes = [len(str(row["text"])) for row in rows]
        return [f"documents: {len(sizes):,} with {sum(sizes):,} characters, the longest {max(sizes):,}"]

    def read(self, row: Row) -> Row:
        check_text(row["text"], "text")
        return {"text": row["text"]}

    def asked(self, row: Row) -> Row:
        return {"prompt": row["text"]}

    def meet(self, module: Any, tokenizer: Any) -> list[str]:
        self._windows = Windows.of(module, tokenizer, self.max_length, self.stride)
        self._room = tokenizer.model_max_length - min(self.max_new_tokens, tokenizer.model_max_length // 2)
        self.packed = shares_rows(module, self.pack, self._windows.size, *probe())
        return [] if self.packed or self.pack is False else [ALONE]

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        if "prompt" in rows[0]:
            return encode_prompts([row["prompt"] for row in rows], tokenizer, self._windows, self._room)
        return encode_documents([row["text"] for row in rows], tokenizer, self._windows, self.prompt_length)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        packed = pad_documents(features, tokenizer.pad_token_id, self.packed)
        given = [item["prompt"] if item["row"] < self.written or item["known"] == item["length"] else 0 for item in features]
        prompts = [list(item["input_ids"][:length]) for item, length in zip(features, given, strict=True)]
        rows, tokens = torch.tensor([item["row"] for item in features]), sum(item["length"] for item in features)
        return Batch(packed.inputs, {"labels": packed.labels}, rows, tokens, {"prompts": prompts, "places": packed.places})

    def head(self) -> Head:
        return Head("AutoModelForCausalLM", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        if self.keep_logits:
            logits, targets = labelled_logits(batch, forward)
            return Loss(F.cross_entropy(logits, targets, reduction="sum"), len(targets), logits, targets)
        losses, _ = labelled_losses(batch, forward)
        return Loss(losses.sum(), len(losses))

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        found = self.decode(batch, labelled_losses(batch, forward)) if (batch.targets["labels"] >= 0).any() else [{} for _ in batch.rows]
        asked = [item for item, prompt in enumerate(batch.notes["prompts"]) if prompt]
        prompts, numbers = [batch.notes["prompts"][item] for item in asked], [int(batch.rows[item]) for item in asked]
        decoding = Decoding(self.max_new_tokens, temperature=self.temperature)
        with forward.precision():
            written = texts(tokenizer, generate(forward.module, tokenizer, prompts, decoding, numbers)) if asked else []
        for item, text in zip(asked, written, strict=True):
            found[item] = {"text": text} | found[item]
        return found

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return by_text(batch.notes["places"], batch.targets["labels"], *output)

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        return parts[0] | {name: sum(part[name] for part in parts) for name in SUMS if name in parts[0]}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        scores: dict[str, Any] = likelihood(*([p[name] for p in predictions] for name in SUMS))
        scores["bits_per_byte"] = bits_per_byte(np.sum(losses_and_bytes(predictions, truths), axis=0))
        written = [p["text"] for p in predictions if "text" in p]
        varied = {"distinct_1": distinct(written, 1), "distinct_2": distinct(written, 2), "repetition": repetition(written)}
        return scores | (varied if written else {})

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return [-p["loss"] / p["tokens"] for p in predictions]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic | None:
        if self.metric == "bits_per_byte":
            return over_sums(losses_and_bytes(predictions, truths), bits_per_byte)
        return likelihood_over(self.metric, *([p[name] for p in predictions] for name in SUMS))

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found = {"text": row.get("prompt", row.get("text")), "predicted": prediction.get("text", "")}
        return found | ({"truth": row["text"], "loss": prediction["loss"] / prediction["tokens"]} if "text" in row else {})


def losses_and_bytes(predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[tuple[float, int]]:
    """The summed loss of each document, and its size."""
    return [(p["loss"], len(row["text"].encode())) for p, row in zip(predictions, truths, strict=True)]
