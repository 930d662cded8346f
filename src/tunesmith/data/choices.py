"""Questions with several choices: what the choices of a row are, and which of them is right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Column, Row, RowError
from tunesmith.core.words import counted

LETTERS = "ABCDEFGH"
_KEYS = ("choice", "option", "answer", "ending", "op", "sol")  # how columns of single choices begin
_SAID = rf"(?:(?:{'|'.join(_KEYS)})[\W_]*|[^\w-]*){{}}[\W_]*"  # an answer: (C), option_3, but not -1
_LETTER, _NUMBER = (re.compile(_SAID.format(mark), re.IGNORECASE) for mark in ("([A-Z])", r"(\d+)(?:\.0+)?"))
_LIST = "Give a list of choices, or say in task.separator what parts them in a cell"
_SHOWN = 60  # characters of a text in a message

# A file has one column for each choice: from 0 (ending0, ending1), from 1 (option1, option2) or by letters (A, B).
SINGLE = (
    Column("choice_0", tuple(f"{key}0" for key in _KEYS), required=False),
    *(
        Column(f"choice_{number}", (letter, *(f"{key}{mark}" for key in _KEYS for mark in (letter, number))), required=False)
        for number, letter in enumerate(LETTERS, 1)
    ),
)


def choices_of(row: Row) -> tuple[list[str], list[str]]:
    """The texts of a row's choices, and their labels where they have some (``{"text": [...], "label": ["A", ...]}``).

    They are a list under ``choices``, or stand in a column each; the last columns may be empty. Raises ``RowError``.
    """
    value = row.get("choices")
    labels: list[str] = []
    if isinstance(value, dict):
        labels, value = [str(label) for label in value.get("label") or ()], value.get("text")
    if value is None:
        found = [(column.role, row[column.role]) for column in SINGLE if column.role in row]
        while found and _is_empty(found[-1][1]):
            found.pop()
    else:
        found = [("choices", text) for text in (value if isinstance(value, list) else [value])]
    if len(found) < 2:
        raise RowError(f"a question needs two choices at least, and has {len(found)}", _LIST, "choices")
    for number, (role, text) in enumerate(found, 1):
        if _is_empty(text):
            raise RowError(f"choice {number} of {len(found)} is empty", "Give it a text, or take it out", role)
        if isinstance(text, list | dict):
            raise RowError(f"choice {number} is {_short(text)}, and no text", "Give a list of texts", role)
    if labels and len(labels) != len(found):
        raise RowError(f"{len(found)} choices have {len(labels)} labels", "Give each choice a label", "choices")
    return [str(text).strip() for _, text in found], labels


def position(answer: Any, texts: Sequence[str], labels: Sequence[str], kind: str, first: int) -> int:
    """The number of the right choice, from 0. ``kind`` is a key of ``KINDS``, ``first`` the number of the first choice in the data.

    Raises ``RowError`` for an answer that is empty, and for one that is no choice.
    """
    if _is_empty(answer):
        raise RowError("the answer is empty", "Give it, or leave the row out", "answer")
    if str(answer).strip() in labels:
        return labels.index(str(answer).strip())
    found = KINDS[kind](answer, texts)
    number = found - first if found is not None and kind == "number" else found
    if number is None or not 0 <= number < len(texts):
        near = get_close_matches(str(answer), texts, 1) if kind == "text" else []
        there = {"text": ", ".join(map(_short, texts)), "letter": f"A to {letter(len(texts) - 1)}"}
        known = there.get(kind, f"{first} to {len(texts) - 1 + first}")
        remedy = f"Did you mean '{_short(near[0])}'?" if near else f"The choices are {known}"
        raise RowError(f"the answer '{_short(answer)}' is no choice", remedy, "answer")
    return number


def learn_answers(rows: Iterable[Row], kind: str, first: int | None) -> tuple[str, int | None, list[int], list[str]]:
    """How the answers of training rows are given, the number of the first choice where they are numbers, and how many choices there are.

    ``kind`` is ``auto`` or a key of ``KINDS``; the third are different numbers, in order; the last is all of it in lines for the user.
    Raises ``InputError`` where numbers may be counted from 0 or from 1.
    """
    read: list[tuple[Any, list[str]]] = []
    sizes, repeating = set(), 0
    for row in rows:
        with suppress(RowError):  # it is said later, with its place
            texts, labels = choices_of(row)
            sizes.add(len(texts))
            repeating += len(set(texts)) < len(texts)
            read += [] if str(row["answer"]).strip() in labels else [(row["answer"], texts)]
    if kind == "auto":
        kind = max(KINDS, key=lambda name: sum(KINDS[name](answer, texts) is not None for answer, texts in read))
    if kind == "number" and first is None:
        first = _counted_from([(found, len(texts)) for answer, texts in read if (found := _by_number(answer, texts)) is not None])
    elif kind != "number" and first is not None:
        raise InputError(Problem(f"task.first is not read: answers are given by {kind}", "Take it out, or set task.answers: number"))
    numbers, begins = " or ".join(map(str, sorted(sizes))), "" if first is None else f" from {first}"
    told = [f"task: one of {numbers} choices, given by {kind}{begins}"]
    if repeating:
        told.append(f"task: {counted(repeating, 'row')} with the same choice twice: at most one of the two can be right")
    return kind, first, sorted(sizes), told


def _counted_from(numbers: Sequence[tuple[int, int]]) -> int:
    """The number of the first choice, from answers and how many choices each has."""
    if any(answer == 0 for answer, _ in numbers):
        return 0
    if any(answer == size for answer, size in numbers):
        return 1
    listed = ", ".join(map(str, sorted({answer for answer, _ in numbers})))
    message = f"the answers are {listed or 'no numbers'}: it cannot be told whether the first choice is 0 or 1"
    raise InputError(Problem(message, "Say it: task.first: 0, or task.first: 1", column="answer"))


def letter(number: int) -> str:
    """What a choice is called: A for 0."""
    return chr(ord("A") + number)


def _by_text(answer: Any, texts: Sequence[str]) -> int | None:
    plain_texts = [text.casefold() for text in texts]
    wanted = str(answer).strip()
    if wanted in texts:
        return texts.index(wanted)
    return plain_texts.index(wanted.casefold()) if wanted.casefold() in plain_texts else None


def _by_letter(answer: Any, texts: Sequence[str]) -> int | None:
    found = _LETTER.fullmatch(unicodedata.normalize("NFKC", str(answer)).strip())
    return ord(found[1].upper()) - ord("A") if found else None


def _by_number(answer: Any, texts: Sequence[str]) -> int | None:
    found = None if isinstance(answer, bool) else _NUMBER.fullmatch(unicodedata.normalize("NFKC", str(answer)).strip())
    return int(found[1]) if found else None


KINDS = {"text": _by_text, "letter": _by_letter, "number": _by_number}


def _is_empty(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
