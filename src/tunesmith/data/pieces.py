"""Tokens as the pieces of a tokenizer: which piece is of which token, in overlapping windows where a sentence is long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.tokens import Tokens

NONE = -1  # a position that is no token's
IGNORED = -100  # a position that has nothing to learn


@dataclass(frozen=True)
class Pieces:
    """How tokens are written for a tokenizer, and how long sentences are cut.

    ``length``  positions of a window, special tokens among them; ``stride`` pieces that it shares with the one before it
    ``blank``   whether a token that stands behind a blank is written with it: byte-level tokenizers take it for a part of the word
    """

    length: int
    stride: int
    blank: bool

    @classmethod
    def of(cls, tokenizer: Any, max_length: int, stride: int | None) -> Pieces:
        """What a tokenizer and its model take. Raises ``InputError`` where it does not tell the tokens of pieces, or there is no room."""
        if not tokenizer.is_fast:
            problem = f"the tokenizer ({type(tokenizer).__name__}) does not say which of its pieces are of which token"
            raise InputError(Problem(problem, "Name a model that has a tokenizer.json"))
        length = min(max_length, tokenizer.model_max_length)
        room = length - tokenizer.num_special_tokens_to_add(pair=False)
        if stride is not None and 2 * stride > room:
            problem = f"windows of {length} positions cannot share {stride}"
            raise InputError(Problem(problem, f"Set task.stride to {room // 2} at most, or raise task.max_length", key="task.stride"))
        whole = _ids(tokenizer, "a b")
        blank = _ids(tokenizer, ["a", "b"]) != whole and _ids(tokenizer, ["a", " b"]) == whole
        return cls(length, room // 4 if stride is None else stride, blank)

    def words(self, tokens: Tokens) -> list[str]:
        """The tokens as the tokenizer is given them."""
        before = (" " if self.blank and start and tokens.text[start - 1].isspace() else "" for start in tokens.starts)
        return [blank + word for blank, word in zip(before, tokens.words(), strict=True)]


def _ids(tokenizer: Any, text: str | list[str]) -> list[int]:
    ids: list[int] = tokenizer(text, is_split_into_words=isinstance(text, list), add_special_tokens=False)["input_ids"]
    return ids


def encode_tokens(sentences: Sequence[Tokens], tokenizer: Any, pieces: Pieces) -> list[dict[str, Any]]:
    """Items for sentences, one for each window.

    Each has ``input_ids``, ``token_type_ids`` where the tokenizer gives them, ``length``, ``example``, the sentence that it is of,
    ``firsts`` (length,), the token whose first piece is at each position, -1 for none, and ``others`` (length,), the same for further
    pieces. A token that is in several windows is of the one where most stands on both sides of it.
    """
    written = [pieces.words(tokens) for tokens in sentences]
    for words, places in zip(written, _lost(written, tokenizer), strict=True):
        for place in places:
            words[place] = tokenizer.unk_token or "?"  # of signs that the tokenizer drops, so that each token has a piece
    coded = tokenizer(
        written,
        is_split_into_words=True,
        truncation=True,
        max_length=pieces.length,
        stride=pieces.stride,
        return_overflowing_tokens=True,
        return_attention_mask=False,
    )
    rows: list[int] = coded["overflow_to_sample_mapping"]
    tokens_at = [[NONE if token is None else token for token in coded.word_ids(item)] for item in range(len(rows))]
    owners = _owners(rows, tokens_at)
    items = []
    for item, (row, tokens) in enumerate(zip(rows, tokens_at, strict=True)):
        own = [token if owners.get((row, token)) == item else NONE for token in tokens]
        first = [token != NONE and token != before for token, before in zip(own, [NONE, *own], strict=False)]
        items.append(
            {
                "input_ids": coded["input_ids"][item],
                **({"token_type_ids": coded["token_type_ids"][item]} if "token_type_ids" in coded else {}),
                "length": len(tokens),
                "example": row,
                "firsts": [token if begins else NONE for token, begins in zip(own, first, strict=True)],
                "others": [NONE if begins else token for token, begins in zip(own, first, strict=True)],
            }
        )
    return items


def encode_tagged(rows: Sequence[dict[str, Any]], tokenizer: Any, pieces: Pieces, inside: Sequence[int]) -> list[dict[str, Any]]:
    """Items for rows of ``text``, ``starts``, ``ends`` and perhaps ``tags``, as ``encode_tokens`` makes them.

    The first of a row has its text, as UTF-8 bytes, and the places of its tokens. Where there are tags, each has ``labels`` (length,):
    a token's tag at its first piece, ``inside`` of that tag at its others.
    """
    items = encode_tokens([Tokens(row["text"], row["starts"], row["ends"]) for row in rows], tokenizer, pieces)
    before = None
    for item in items:
        row, others = rows[item["example"]], item.pop("others")
        first, before = item["example"] != before, item["example"]
        item |= {"text": list(row["text"].encode()) if first else []}
        item |= {ends: row[ends] if first else [] for ends in ("starts", "ends")}
        if tags := row.get("tags"):
            at = zip(item["firsts"], others, strict=True)
            item["labels"] = [tags[one] if one >= 0 else inside[tags[rest]] if rest >= 0 else IGNORED for one, rest in at]
    return items


def _lost(written: Sequence[Sequence[str]], tokenizer: Any) -> list[list[int]]:
    """The tokens of each sentence that have no piece."""
    coded = tokenizer(list(written), is_split_into_words=True, add_special_tokens=False, return_attention_mask=False, verbose=False)
    return [sorted(set(range(len(words))) - set(coded.word_ids(row))) for row, words in enumerate(written)]


def _owners(rows: Sequence[int], tokens_at: Sequence[Sequence[int]]) -> dict[tuple[int, int], int]:
    """The item that each token of each row is of."""
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for item, (row, tokens) in enumerate(zip(rows, tokens_at, strict=True)):
        places = [place for place, token in enumerate(tokens) if token != NONE]
        for place, before in zip(places, [None, *places], strict=False):
            if before is not None and tokens[before] == tokens[place]:
                continue
            room, own = min(place - places[0], places[-1] - place), (row, tokens[place])
            if own not in best or room > best[own][0]:  # where a window begins inside a token, the one before has its first piece
                best[own] = (room, item)
    return {own: item for own, (_, item) in best.items()}


def pad_places(items: Sequence[dict[str, Any]], name: str, fill: int, like: Tensor, tokenizer: Any) -> Tensor:
    """The feature ``name`` of items as a table like ``like`` (batch, length), padded with ``fill`` on the tokenizer's side."""
    table = torch.full_like(like, fill)
    for row, item in enumerate(items):
        values = torch.as_tensor(item[name], dtype=like.dtype)
        start = like.shape[1] - len(values) if tokenizer.padding_side == "left" else 0
        table[row, start : start + len(values)] = values
    return table
