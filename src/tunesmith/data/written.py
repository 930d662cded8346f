"""Items of tasks that write: what they ask, what is to be written, and the same items with other answers."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.task import Row
from tunesmith.data.chat_items import prompt_of
from tunesmith.data.packing import IGNORED


def question_and_answer(item: Row) -> tuple[list[int], list[int]]:
    """What the model is given and what it learns to write, the last turn of a conversation, as token ids.

    The labels of an item of ``pairs`` are its answer; those of ``chat_items`` stand beside all tokens, -100 where nothing is learned.
    """
    labels = list(item["labels"])
    if IGNORED not in labels:
        return list(item["input_ids"]), labels
    question = prompt_of(item)
    return question, labels[len(question) - 1 :]


def with_answer(item: Row, answer: Sequence[int]) -> Row:
    """The item with other tokens as what is learned, and as nothing else that is."""
    question, _ = question_and_answer(item)
    if IGNORED not in item["labels"]:
        return {**item, "labels": list(answer), "length": len(question) + len(answer)}
    labels = [IGNORED] * (len(question) - 1) + list(answer)
    return {**item, "input_ids": [*question, *answer[:-1]], "labels": labels, "length": len(labels)}
