"""Two answers to one question, of which one was preferred: what rows hold, and what a decoder reads of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import seed_of
from tunesmith.core.task import Column, Row, RowError
from tunesmith.data import messages
from tunesmith.data.branches import pad_ends
from tunesmith.data.chat_items import Form, encode_conversations, prompt_of
from tunesmith.data.messages import Message, check_order, conversation, listed, without_oldest
from tunesmith.data.sequences import joined, parted

ANSWERS = ("chosen", "rejected")
_QUESTION = {"prompt": ("question", "query")}  # names that these data sets have beside those of conversations
COLUMNS = (
    *(replace(c, names=(*c.names, *_QUESTION.get(c.role, ()))) for c in messages.COLUMNS if c.role != "completion"),
    Column("chosen", ("chosen_response", "response_chosen", "preferred", "accepted", "winner", "better"), truth=True),
    Column("rejected", ("rejected_response", "response_rejected", "dispreferred", "refused", "loser", "worse"), truth=True),
)
_UNLIMITED = 1 << 40


def preference(row: Mapping[str, Any]) -> Row:
    """The ``messages`` of a row that are answered, its ``tools``, and the messages ``chosen`` and ``rejected``, where it has them.

    What is asked stands as in any conversation. An answer is a text, a message, or a whole conversation that ends with it; where both
    are conversations, no prompt is needed beside them. Raises ``RowError``.
    """
    asked = {role: value for role, value in row.items() if role not in ANSWERS}
    if all(_is_empty(row.get(role)) for role in ANSWERS):
        return conversation(asked)
    told = {role: _turns(row.get(role), role) for role in ANSWERS}
    if asked.get("messages") is None and _is_empty(asked.get("prompt")):
        asked["messages"] = told["chosen"][:-1]
        if not asked["messages"]:
            raise RowError("there is no prompt", "Name its column, data.columns: {prompt: ...}, or leave the row out", "prompt")
    found = conversation(asked)
    for role, turns in told.items():
        _check_answer(found["messages"], turns, role)
    chosen, rejected = (told[role][-1] for role in ANSWERS)
    if _plain(chosen) == _plain(rejected):
        raise RowError("the chosen answer is the rejected one", "Leave the row out: it prefers nothing", "rejected")
    return found | {"chosen": chosen, "rejected": rejected}


def find_question(rows: Iterable[Mapping[str, Any]]) -> str:
    """Where rows hold what is answered, in words for the user. Raises ``InputError`` where no column does."""
    first = next(iter(rows))
    where = next((role for role in ("messages", "prompt") if role in first), "")
    if not where and isinstance(first["chosen"], str):
        raise InputError(Problem("no column is known as the prompt", "Say which it is, data.columns: {prompt: ...}"))
    return where or "what both begin with"


def _turns(value: Any, role: str) -> list[Message]:
    """An answer as the last of some messages. Raises ``RowError``."""
    if _is_empty(value):
        raise RowError(f"the {role} answer is empty", "Give it a text, or leave the row out", role)
    given = [{"role": "assistant", "content": value}] if isinstance(value, str) else [value] if isinstance(value, Mapping) else value
    try:
        return listed(given)
    except RowError as error:
        raise RowError(f"in the {role} answer, {error.message}", error.remedy, role) from None


def _check_answer(asked: Sequence[Message], turns: Sequence[Message], role: str) -> None:
    """Raise ``RowError`` for turns that do not end with an answer to what is asked."""
    *before, answer = turns
    if answer["role"] != "assistant":
        remedy = "Give the answer of the assistant, or leave the row out"
        raise RowError(f"the {role} answer ends with a turn of the {answer['role']}", remedy, role)
    if before and [_plain(turn) for turn in before] != [_plain(turn) for turn in asked[-len(before) :]]:
        message = f"the {role} answer is a conversation that begins in another way than what is asked"
        raise RowError(message, "Both must answer the same: leave the row out", role)
    check_order([*asked, answer])


def encode_preferences(rows: Sequence[Row], tokenizer: Any, form: Form) -> list[Row]:
    """An item for each row that ``preference`` returned: what is asked with either answer, as ``joined``; ``prompt`` tokens are shared.

    The oldest questions are left out where the longer of the two is too long, and then the ends of answers. Rows without answers go on to
    where the assistant writes. Raises ``RowError`` where nothing is left that tells the answers apart.
    """
    whole = replace(form, limit=_UNLIMITED)
    coded = iter(encode_conversations([talk for row in rows for talk in _talks(row)], tokenizer, whole))
    return [_item(row, [next(coded) for _ in _talks(row)], tokenizer, form) for row in rows]


def _talks(row: Row) -> list[Row]:
    """The conversations of a row: with each answer, or without any."""
    if "chosen" not in row:
        return [{**row, "asked": True}]
    return [{"messages": [*row["messages"], row[role]], "tools": row["tools"]} for role in ANSWERS]


def _item(row: Row, coded: list[Row], tokenizer: Any, form: Form) -> Row:
    prompt = prompt_of(coded[0])
    if "chosen" not in row:
        return joined([{"input_ids": prompt, "length": len(prompt), "truncated": coded[0]["truncated"]}]) | {"prompt": len(prompt)}
    full = sum(item["length"] for item in coded)
    while max(item["length"] for item in coded) >= form.limit and (fewer := without_oldest(row["messages"])):
        row = {**row, "messages": fewer}
        coded = encode_conversations(_talks(row), tokenizer, replace(form, limit=_UNLIMITED))
    prompt, other = (prompt_of(item) for item in coded)
    if prompt != other:
        message = "the chat template writes the question in another way before each answer"
        raise RowError(message, "Set task.template: turns, or name a model with another template", "chosen")
    texts = [[*item["input_ids"], item["labels"][-1]][: form.limit] for item in coded]
    if texts[0] == texts[1] or min(map(len, texts)) <= len(prompt):
        message = f"there is nothing to learn: the first {form.limit:,} tokens do not tell the answers apart"
        raise RowError(message, "Raise task.max_length if the model takes more, or leave the row out", "chosen")
    lost = full - sum(len(ids) - 1 for ids in texts)
    sequences = [{"input_ids": ids, "length": len(ids), "truncated": 0} for ids in texts]
    return joined(sequences) | {"prompt": len(prompt), "truncated": lost}


def pad_preferences(items: Sequence[Row], pad: int, shared: bool, before: Mapping[int, float] | None, written: int) -> Batch:
    """Items as a batch: targets as ``pad_ends`` makes them, of pairs; ``before`` (pairs,), what is known of the ``content`` of each.

    That is 0 where nothing is known of any, NaN where it is of others. Notes: ``pairs``, which items have two answers; ``prompts``, what
    is asked in those that have none and in the first ``written`` rows, else nothing.
    """
    pairs = [item for item in items if is_pair(item)]
    inputs, targets, tokens = pad_ends(pairs or items, pad, shared and bool(pairs))
    targets["before"] = torch.tensor([0.0 if before is None else before.get(content(item), torch.nan) for item in pairs])
    asked = [list(item["input_ids"][: item["prompt"]]) if item["row"] < written or not is_pair(item) else [] for item in items]
    notes = {"prompts": asked, "pairs": [place for place, item in enumerate(items) if is_pair(item)]}
    return Batch(inputs, targets, torch.tensor([item["row"] for item in items]), tokens, notes)


def content(item: Row) -> int:
    """What an item holds, as a number: rows that a strategy changed or added are told from those that were there."""
    return seed_of(item["prompt"], list(item["sizes"]), list(item["input_ids"]))


def is_pair(item: Row) -> bool:
    """Whether an item has two answers, or none."""
    return len(item["sizes"]) == len(ANSWERS)


def marked(item: Row, tokenizer: Any) -> list[tuple[str, bool]]:
    """The text of an item in pieces: what is asked, which is not learned, and the answers, which are. Special tokens are shown."""
    texts = [list(sequence["input_ids"]) for sequence in parted(item)]
    asked = tokenizer.decode(texts[0][: item["prompt"]])
    return [(asked, False), *((tokenizer.decode(ids[item["prompt"] :]), True) for ids in texts if is_pair(item))]


def _plain(message: Message) -> Message:
    return {**message, "content": message["content"].strip()}


def _is_empty(value: Any) -> bool:
    return (
        value is None
        or value != value
        or (isinstance(value, str | list | dict) and not (value.strip() if isinstance(value, str) else value))
    )
