"""Long texts as overlapping windows, each behind the question that is asked about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.text import pad_texts

POSITIONS = ("first", "none", "start", "end")  # features that count positions in the sequence


@dataclass(frozen=True)
class Windows:
    """How contexts are cut.

    ``length``    positions of a window, the question and special tokens among them
    ``stride``    tokens of the context that a window shares with the one before it
    ``question``  tokens of a question at most
    """

    length: int
    stride: int
    question: int

    @classmethod
    def of(cls, tokenizer: Any, max_length: int, stride: int | None) -> Windows:
        """The windows that a tokenizer's model takes. Raises ``InputError`` where it gives no places, or they leave no room."""
        if not tokenizer.is_fast:
            problem = f"the tokenizer ({type(tokenizer).__name__}) does not say where its tokens stand in the text"
            raise InputError(Problem(problem, "Name a model that has a tokenizer.json"))
        length = min(max_length, tokenizer.model_max_length)
        room = length - tokenizer.num_special_tokens_to_add(pair=True)
        most = room // 2 - 4  # a question takes half of the room at most, and its tokens may become a few more when it is cut
        if stride is not None and stride > most:
            problem = f"windows of {length} tokens cannot share {stride}: the question may take half of them"
            raise InputError(Problem(problem, f"Set task.stride to {most} at most, or raise task.max_length", key="task.stride"))
        return cls(length, room // 4 if stride is None else stride, room // 2)


def encode_windows(
    questions: Sequence[str], contexts: Sequence[str], answers: Sequence[tuple[int, int]] | None, tokenizer: Any, windows: Windows
) -> list[dict[str, Any]]:
    """Items for questions about contexts, one for each window; ``answers`` are the places of the answer in characters, (-1, -1) for none.

    Each item has ``input_ids``, ``token_type_ids`` where the model wants them, ``length``, ``truncated`` (tokens that the question
    lost), ``example``, ``first``, the position of its first token of the context, ``none``, the position that means no answer, ``offset``,
    where its part of the context starts in characters, ``starts`` and ``ends`` of its tokens from there, ``text``, the part itself as UTF-8
    bytes, and, where there are ``answers``, ``start`` and ``end``, the positions of the answer's first and last token, or ``none``.
    """
    asked, lost = _cut(questions, tokenizer, windows.question)
    if tokenizer.num_special_tokens_to_add(pair=True) == tokenizer.num_special_tokens_to_add(pair=False):
        asked = [f"{question}\n" for question in asked]  # nothing else would part the question from the context
    coded = tokenizer(
        asked,
        list(contexts),
        truncation="only_second",
        max_length=windows.length,
        stride=windows.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=False,
    )
    items = []
    for item, row in enumerate(coded["overflow_to_sample_mapping"]):
        ids = coded["input_ids"][item]
        parts = coded.sequence_ids(item)
        first = parts.index(1) if 1 in parts else 0
        places = coded["offset_mapping"][item][first : first + parts.count(1)]
        offset, end = (places[0][0], places[-1][1]) if places else (0, 0)
        found = {
            "input_ids": ids,
            **({"token_type_ids": coded["token_type_ids"][item]} if "token_type_ids" in coded else {}),
            "length": len(ids),
            "truncated": lost[row],
            "example": row,
            "first": first,
            "none": ids.index(tokenizer.cls_token_id) if tokenizer.cls_token_id in ids else 0,
            "offset": offset,
            "starts": [place[0] - offset for place in places],
            "ends": [place[1] - offset for place in places],
            "text": list(contexts[row][offset:end].encode()),
        }
        items.append(found | (_target(found, *answers[row]) if answers is not None else {}))
    return items


def pad_windows(items: Sequence[dict[str, Any]], tokenizer: Any) -> tuple[dict[str, Tensor], dict[str, Tensor], int, list[dict[str, Any]]]:
    """Items as padded tensors: inputs and targets, how many tokens are real, and the items with their positions in the padded rows.

    Targets are ``allowed`` (batch, length), the tokens of the context and the position that means no answer, and, where the truth is
    known, ``start`` and ``end`` (batch,).
    """
    inputs, tokens = pad_texts(items, tokenizer)
    length = inputs["input_ids"].shape[1]
    shifts = [length - item["length"] if tokenizer.padding_side == "left" else 0 for item in items]
    moved = [item | {name: item[name] + shift for name in POSITIONS if name in item} for item, shift in zip(items, shifts, strict=True)]
    allowed = torch.zeros(len(items), length, dtype=torch.bool)
    for row, item in enumerate(moved):
        allowed[row, item["first"] : item["first"] + len(item["starts"])] = True
        allowed[row, item["none"]] = True
    truth: dict[str, Tensor] = {name: torch.tensor([item[name] for item in moved]) for name in ("start", "end") if name in items[0]}
    return inputs, {"allowed": allowed, **truth}, tokens, moved


def _cut(questions: Sequence[str], tokenizer: Any, most: int) -> tuple[list[str], list[int]]:
    """The questions with at most so many tokens, and how many each lost."""
    coded = tokenizer(list(questions), add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False, verbose=False)
    lost = [max(0, len(ids) - most) for ids in coded["input_ids"]]
    ends = [places[most - 1][1] if gone else None for places, gone in zip(coded["offset_mapping"], lost, strict=True)]
    return [question[:end] for question, end in zip(questions, ends, strict=True)], lost


def _target(item: dict[str, Any], start: int, end: int) -> dict[str, int]:
    """The positions of an answer in a window that holds all of it."""
    starts, ends = item["starts"], item["ends"]
    start, end = start - item["offset"], end - item["offset"]
    if starts and starts[0] <= start < end <= ends[-1]:
        first = next(place for place, stop in enumerate(ends) if stop > start)
        last = max(place for place, begin in enumerate(starts) if begin < end)
        return {"start": item["first"] + first, "end": item["first"] + max(first, last)}
    return {"start": item["none"], "end": item["none"]}
