"""Conversations as token ids, and which of the tokens are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from tunesmith.core.task import Row, RowError
from tunesmith.data.chat_turns import Place, Turns
from tunesmith.data.messages import Message, without_oldest
from tunesmith.data.packing import IGNORED, Packed, pack


@dataclass(frozen=True)
class Form:
    """How conversations become items.

    ``turns``   what is learned
    ``limit``   longest conversation in tokens
    ``prompt``  longest conversation in tokens that is to be answered
    """

    turns: Turns
    limit: int
    prompt: int


def encode_conversations(rows: Sequence[Mapping[str, Any]], tokenizer: Any, form: Form) -> list[Row]:
    """An item for each row: ``input_ids``, and ``labels``, at each position the token that is learned behind it, else -100.

    What stands behind the last learned token is left out. A conversation that is too long ends with a turn that fits in whole, its
    first turn is cut if even that one does not; with ``turns.last`` the oldest questions are left out instead. A row that is ``asked``
    has no labels, and goes on to where the assistant writes. Raises ``RowError`` for a row without anything to learn.
    """
    learned = [row for row in rows if not row.get("asked")]
    coded = iter(_coded([form.turns.places(row["messages"], row["tools"]) for row in learned], tokenizer))
    return [_asked(row, tokenizer, form) if row.get("asked") else _item(row, *next(coded), tokenizer, form) for row in rows]


def _item(row: Mapping[str, Any], ids: list[int], places: list[Place], tokenizer: Any, form: Form) -> Row:
    messages, kept = row["messages"], places
    whole = ids[: places[-1][1]] if places else []
    full = len(whole)
    while form.turns.last and len(whole) > form.limit and (fewer := without_oldest(messages)):
        messages = fewer
        [(ids, kept)] = _coded([form.turns.places(messages, row["tools"])], tokenizer)
        whole = ids[: kept[-1][1]] if kept else []
    if not kept:
        who = " or the ".join(sorted(form.turns.roles))
        raise RowError(f"there is nothing to learn: no turn of the {who}", "Add an answer, or leave the row out", "messages")
    if len(whole) > form.limit:
        whole = whole[: max((end for _, end in kept if end <= form.limit), default=form.limit)]
    labels = [IGNORED] * len(whole)
    for start, end in kept:
        labels[start:end] = whole[start:end]
    if all(label == IGNORED for label in labels[1:]):
        message = f"there is nothing to learn: the first {form.limit:,} tokens hold no answer"
        raise RowError(message, "Raise task.max_length if the model takes more, or leave the row out", "messages")
    return {"input_ids": whole[:-1], "labels": labels[1:], "length": len(whole) - 1, "truncated": full - len(whole)}


def _asked(row: Mapping[str, Any], tokenizer: Any, form: Form) -> Row:
    ids, dropped = fitted(row["messages"], row["tools"], tokenizer, form.turns, form.prompt)
    if len(ids) > form.prompt:
        raise RowError(f"the last question takes {len(ids):,} tokens, and the model {form.prompt:,}", "Shorten it", "messages")
    return {"input_ids": ids, "labels": [], "length": len(ids), "truncated": dropped}


def fitted(messages: Sequence[Message], tools: Sequence[Any], tokenizer: Any, turns: Turns, limit: int) -> tuple[list[int], int]:
    """The tokens up to where the assistant writes, and how many messages were left out, the oldest first, to come to ``limit``.

    Where the last question alone is too long, so are the tokens.
    """
    dropped, kept = 0, list(messages)
    while True:
        text = turns.template.render(kept, tools, answering=True)
        ids: list[int] = tokenizer(text, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        fewer = without_oldest(kept) if len(ids) > limit else None
        if fewer is None:
            return ids, dropped
        dropped, kept = dropped + len(kept) - len(fewer), fewer


def _coded(texts: Sequence[tuple[str, list[Place]]], tokenizer: Any) -> list[tuple[list[int], list[Place]]]:
    """Texts as token ids, and their places counted in tokens.

    The pieces between the edges of places are coded one by one, since in use the answer comes behind the coded question. Where
    tokens depend on what stands before them, a space in front of each text for example, the whole is coded, if each edge is one
    between its tokens.
    """
    edges = [sorted({0, len(text), *(edge for place in places for edge in place)}) for text, places in texts]
    pieces = [text[start:end] for (text, _), of_text in zip(texts, edges, strict=True) for start, end in pairwise(of_text)]
    coded = iter(_tokens(pieces, tokenizer))
    whole = _tokens([text for text, _ in texts], tokenizer)
    found = []
    for (text, places), of_text, ids in zip(texts, edges, whole, strict=True):
        parts = [next(coded) for _ in pairwise(of_text)]
        counts = list(accumulate(map(len, parts), initial=0))
        joined = [token for part in parts for token in part]
        if joined != ids:
            begun = _tokens([text[:edge] for edge in of_text], tokenizer)
            if all(ids[: len(start)] == start for start in begun):
                counts, joined = list(map(len, begun)), ids
        at = dict(zip(of_text, counts, strict=True))
        found.append((joined, [(at[start], at[end]) for start, end in places]))
    return found


def _tokens(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    if not texts:
        return []
    found: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    return found


def pad_conversations(items: Sequence[Row], pad: int, packed: bool) -> Packed:
    """Conversations in rows: several in one where they are ``packed`` and there is room, each of which sees itself alone."""
    labels = [item["labels"] or [IGNORED] * item["length"] for item in items]
    return pack([item["input_ids"] for item in items], labels, pad, 0 if packed else None)


def prompt_of(item: Mapping[str, Any]) -> list[int]:
    """The tokens up to where the last learned turn begins: what it answers."""
    labels, start = item["labels"], len(item["labels"])
    while start and labels[start - 1] != IGNORED:
        start -= 1
    return list(item["input_ids"][: start + 1] if labels else item["input_ids"])


def marked(item: Mapping[str, Any], tokenizer: Any) -> list[tuple[str, bool]]:
    """The text of an item in pieces, and whether each is learned. Special tokens are shown."""
    ids, labels = list(item["input_ids"]), list(item["labels"])
    ids, learned = [*ids, *labels[-1:]], [label != IGNORED for label in (IGNORED, *labels)]
    edges = [0, *(place for place in range(1, len(learned)) if learned[place] != learned[place - 1]), len(ids)]
    return [(tokenizer.decode(ids[start:end]), learned[start]) for start, end in pairwise(edges)]
