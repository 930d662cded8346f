"""Pictures with captions, as features and as tensors; which of them are the same is told by a hash of their content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem, concerning
from tunesmith.core.task import Row
from tunesmith.data.images import pixels
from tunesmith.data.media import as_feature, digest
from tunesmith.data.prompting import placeholders
from tunesmith.data.text import encode_texts, pad_texts


def check_prompt(prompt: str) -> None:
    """Raise ``InputError`` for a text that is to stand for labels without a place for the label, or with one for anything else."""
    with concerning("task.prompt"):
        if placeholders(prompt) != ["label"]:
            message = f"task.prompt '{prompt}' must have {{label}} in it, and nothing else in braces"
            raise InputError(Problem(message, "Write it where the name of the label is to stand"))


def different(texts: Iterable[Any]) -> int:
    """How many different captions there are. Raises ``InputError`` where there is one: it tells no picture from another."""
    found = len(set(map(str, texts)))
    if found == 1:
        raise InputError(Problem("every row has the same text, so nothing can be told apart", "Name another column under data.columns"))
    return found


def encode_captions(rows: Sequence[Row], tokenizer: Any, max_length: int, patches: int) -> list[Row]:
    """Features of rows with an ``image`` and, where they have one, a ``text``; an image takes ``patches`` positions.

    ``image_key`` and ``text_key`` are equal where the content is; ``written`` is the text itself in UTF-8.
    """
    features = [{**as_feature(row["image"]), "image_key": digest(row["image"]), "length": patches} for row in rows]
    if "text" not in rows[0]:
        return features
    texts = [row["text"].encode("utf-8", "replace") for row in rows]
    keys = [{"written": np.frombuffer(text, np.uint8), "text_key": digest(text)} for text in texts]
    encoded = encode_texts([row["text"] for row in rows], None, tokenizer, max_length)
    return [
        {**text, **feature, **key, "tokens": text["length"], "length": patches + text["length"]}
        for feature, key, text in zip(features, keys, encoded, strict=True)
    ]


def collate_captions(features: Sequence[Row], processor: Any) -> Batch:
    """``pixel_values`` (batch, 3, height, width) and ``input_ids`` (batch, length); the keys are targets, the texts among the notes."""
    inputs, targets, notes = {"pixel_values": pixels(features, processor.reader)}, dict[str, Tensor](), dict[str, Any]()
    if "input_ids" in features[0]:
        inputs |= pad_texts([{**feature, "length": feature["tokens"]} for feature in features], processor.tokenizer)[0]
        targets = {key: torch.tensor([feature[key] for feature in features]) for key in ("image_key", "text_key")}
        notes["texts"] = [bytes(feature["written"]).decode() for feature in features]
    notes["image_keys"] = [str(feature["image_key"]) for feature in features]
    rows, tokens = torch.tensor([feature["row"] for feature in features]), sum(feature["length"] for feature in features)
    return Batch(inputs, targets, rows, tokens, notes)


def tokenized(texts: Sequence[str], tokenizer: Any, max_length: int) -> dict[str, Tensor]:
    """Texts as the keywords of a model that reads, each (texts, length)."""
    return pad_texts(encode_texts(texts, None, tokenizer, max_length), tokenizer)[0]
