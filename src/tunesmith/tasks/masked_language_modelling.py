"""Masked language modelling: pre-training of an encoder goes on, on raw texts of a domain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import UNITS, Column, Head, Prediction, Row, Statistic, Task
from tunesmith.data.masking import encode_masked, mask_item
from tunesmith.data.text import check_text, pad_texts
from tunesmith.metrics.likelihood import likelihood_over
from tunesmith.model.labelled import IGNORED, labelled_logits


@dataclass
class MaskedLanguageModelling(Task):
    """Learns raw text by finding masked tokens from those around them (Devlin et al. 2019, section 3.1), and fills ``[MASK]``.

    Each time a text is met, other words of it are asked for: 80% of their tokens are masked, 10% replaced by any token, 10% left as they
    are. The loss is the mean cross-entropy at these positions, and the head is computed there alone. Held-out texts are judged on masks
    that stay the same (``perplexity``, ``accuracy``). A prediction has in ``masks`` the likeliest tokens for each ``[MASK]`` of a text, or
    for words that are masked where it has none, and the ``text`` with the best of them. Long texts are cut into several items.
    """

    document: str = setting("line", "what of a .txt file is a text: a line, a paragraph between blank lines, or all", choices=UNITS)
    rate: float = setting(0.15, "share of the words that is asked for", above=0, high=0.9)
    whole_words: bool = setting(True, "whether all tokens of a word are asked for together; Chinese words by jieba where it is installed")
    max_length: int = setting(128, "longest item in tokens, or what the model takes if less; longer texts are cut into several", low=8)
    num_answers: int = setting(5, "tokens listed for each mask, the likeliest first", low=1)

    offers: ClassVar[frozenset[str]] = frozenset({"logits", "text", "perplexity"})

    @property
    def primary(self) -> str:
        return "perplexity"

    @property
    def higher_is_better(self) -> bool:
        return False

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        told = {"film": "good", "music": "sad", "plot": "dull", "cat": "slow"}
        return cls(max_length=16), [{"text": f"the {name} was {word} , and it was {word}"} for _ in range(3) for name, word in told.items()]

    def columns(self) -> tuple[Column, ...]:
        return (Column("text", ("content", "document", "sentence", "article", "body", "review", "masked"), unit=self.document),)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        sizes = [len(str(row["text"])) for row in rows]
        return [f"texts: {len(sizes):,} with {sum(sizes):,} characters, the longest {max(sizes, default=0):,}"]

    def read(self, row: Row) -> Row:
        check_text(row["text"], "text")
        return {"text": row["text"]}

    def asked(self, row: Row) -> Row:
        return {"asked": row["text"]}

    def meet(self, module: Any, tokenizer: Any) -> None:
        family = module.config.model_type
        if tokenizer is None or tokenizer.mask_token_id is None:
            raise InputError(Problem(f"The tokenizer of this {family} model has no token that masks", "Name an encoder such as BERT"))
        if getattr(module.config, "is_encoder_decoder", False):
            raise InputError(Problem(f"{family} models have a decoder, and are not pre-trained by masked tokens", "Name an encoder"))

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        return encode_masked([row["text"] if "text" in row else row["asked"] for row in rows], tokenizer, self.max_length, self.whole_words)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        pairs = [mask_item(item, self.rate, tokenizer) for item in features]
        given = [item | {"input_ids": ids} for item, (ids, _) in zip(features, pairs, strict=True)]
        inputs, tokens = pad_texts(given, tokenizer)
        labels = torch.full_like(inputs["input_ids"], IGNORED)
        for row, (_, own) in enumerate(pairs):
            start = labels.shape[1] - len(own) if tokenizer.padding_side == "left" else 0
            labels[row, start : start + len(own)] = own
        return Batch(inputs, {"labels": labels}, torch.tensor([item["row"] for item in features]), tokens)

    def head(self) -> Head:
        return Head("AutoModelForMaskedLM", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        logits, targets = labelled_logits(batch, forward)
        return Loss(F.cross_entropy(logits, targets, reduction="sum"), len(targets), logits, targets)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        found, name = self.decode(batch, labelled_logits(batch, forward)), tokenizer.convert_ids_to_tokens
        for prediction, ids, labels in zip(found, batch.inputs["input_ids"].tolist(), batch.targets["labels"].tolist(), strict=True):
            best = iter(prediction["ids"])
            filled = [next(best)[0] if label != IGNORED else token for token, label in zip(ids, labels, strict=True)]
            right = [label for label in labels if label != IGNORED]
            unknown = [label == tokenizer.mask_token_id for label in right]  # the text itself holds the mask
            lines = zip(prediction.pop("ids"), prediction.pop("chances"), strict=True)
            prediction["masks"] = [
                [{"token": name(token), "probability": chance} for token, chance in zip(*line, strict=True)] for line in lines
            ]
            prediction["right"] = [None if gone else name(token) for token, gone in zip(right, unknown, strict=True)]
            losses = [loss for loss, gone in zip(prediction.pop("losses"), unknown, strict=True) if not gone]
            shown = [token for token in ids if token == tokenizer.mask_token_id or token not in tokenizer.all_special_ids]
            prediction |= {
                "loss": sum(losses),
                "masked": tokenizer.decode(shown),
                "text": tokenizer.decode(filled, skip_special_tokens=True),
            }
        return found

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        logits, targets = output
        scores = logits.log_softmax(dim=1)  # (tokens, vocabulary)
        best = scores.topk(min(self.num_answers, scores.shape[1]), dim=1)
        losses = -scores.gather(1, targets[:, None])[:, 0]
        counts = (batch.targets["labels"] != IGNORED).sum(dim=1).tolist()
        parts = (part.cpu().split(counts) for part in (best.indices, best.values.exp(), losses))
        return [{"ids": ids.tolist(), "chances": own.tolist(), "losses": lost.tolist()} for ids, own, lost in zip(*parts, strict=True)]

    def merge(self, parts: Sequence[Prediction]) -> Prediction:
        joined = {name: " ".join(part[name] for part in parts) for name in ("text", "masked")}
        listed = {name: [one for part in parts for one in part[name]] for name in ("masks", "right")}
        return {**joined, **listed, "loss": sum(part["loss"] for part in parts)}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        pairs = [(given[0]["token"], right) for p in predictions for given, right in zip(p["masks"], p["right"], strict=True) if right]
        if not pairs:
            return {}
        loss = sum(p["loss"] for p in predictions) / len(pairs)
        accuracy = sum(given == right for given, right in pairs) / len(pairs)
        return {"perplexity": math.exp(min(loss, 700.0)), "loss": loss, "accuracy": accuracy, "tokens": len(pairs)}

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        return [-p["loss"] / max(1, sum(right is not None for right in p["right"])) for p in predictions]

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic | None:
        tokens = [sum(right is not None for right in p["right"]) for p in predictions]
        return likelihood_over(self.primary, [p["loss"] for p in predictions], [0] * len(tokens), tokens)

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        found = {"text": prediction["masked"], "predicted": " ".join(given[0]["token"] for given in prediction["masks"])}
        known = [right for right in prediction["right"] if right is not None]
        return found | ({"truth": " ".join(known)} if known and "text" in row else {}) | {"filled": prediction["text"]}
