"""Texts as token ids, and token ids as padded tensors: what every task on text shares."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.task import RowError

MODEL_INPUTS = ("input_ids", "token_type_ids")


def check_text(value: Any, role: str) -> None:
    """Raise ``RowError`` for a value that is no text or an empty one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowError("the text is empty", "Give it a text, or leave the row out", role)
    if not isinstance(value, str):
        raise RowError(f"{textwrap.shorten(repr(value), 60)} is no text", "Name the right column under data.columns", role)


def encode_texts(texts: Sequence[str], pairs: Sequence[str] | None, tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    """Token ids of texts, or of pairs where ``pairs`` are given, cut at ``max_length`` tokens and at what the model takes.

    A pair is cut at its longer side.

    Each dictionary has ``input_ids``, ``token_type_ids`` where the model cannot take 0 for all of them, ``length``, and
    ``truncated``: how many tokens were cut.
    """
    limit = min(max_length, tokenizer.model_max_length)
    coded = tokenizer(
        list(texts),
        None if pairs is None else list(pairs),
        truncation="longest_first",
        max_length=limit,
        return_attention_mask=False,
        return_overflowing_tokens=False,
        return_length=False,
    )
    full = _full_lengths(tokenizer, texts, pairs, coded, limit)
    typed = "token_type_ids" in coded and (pairs is not None or any(coded["token_type_ids"][0]))
    names = ["input_ids", *(["token_type_ids"] if typed else [])]
    return [
        {
            **{name: coded[name][i] for name in names},
            "length": len(coded["input_ids"][i]),
            "truncated": full[i] - len(coded["input_ids"][i]),
        }
        for i in range(len(texts))
    ]


def _full_lengths(tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, coded: Any, limit: int) -> list[int]:
    """How long each row would be uncut, from what was cut off, where the tokenizer tells it; else rows at the limit are tokenised again."""
    lengths = [len(ids) for ids in coded["input_ids"]]
    at_limit = [i for i, length in enumerate(lengths) if length >= limit]
    if at_limit and pairs is None and coded.encodings:
        for i in at_limit:
            lengths[i] += sum(len(rest.ids) - sum(rest.special_tokens_mask) for rest in coded.encodings[i].overflowing)
    elif at_limit:
        again = tokenizer([texts[i] for i in at_limit], [pairs[i] for i in at_limit] if pairs is not None else None, verbose=False)
        for i, ids in zip(at_limit, again["input_ids"], strict=True):
            lengths[i] = len(ids)
    return lengths


def pad_texts(features: Sequence[dict[str, Any]], tokenizer: Any) -> tuple[dict[str, Tensor], int]:
    """Features as (batch, length) int64 tensors padded on the tokenizer's side, and how many tokens are real.

    There is no ``attention_mask`` where all rows have one length: the model needs none.
    """
    lengths = [feature["length"] for feature in features]
    longest = max(lengths)
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    left = tokenizer.padding_side == "left"
    inputs: dict[str, Tensor] = {}
    for name in (name for name in MODEL_INPUTS if name in features[0]):
        table = torch.full((len(features), longest), fill[name], dtype=torch.int64)
        for row, feature in enumerate(features):
            values = torch.as_tensor(feature[name], dtype=torch.int64)
            start = longest - len(values) if left else 0
            table[row, start : start + len(values)] = values
        inputs[name] = table
    if min(lengths) < longest:
        positions, ends = torch.arange(longest), torch.tensor(lengths)[:, None]
        inputs["attention_mask"] = ((positions >= longest - ends) if left else (positions < ends)).to(torch.int64)
    return inputs, sum(lengths)
