"""Texts that are written for other texts: what counts as right, and what kind of work it is."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import RowError
from tunesmith.data.words import sentences, words

SHORT_ANSWER, SHORT_SOURCE = 8, 40  # words of an answer and of a question, at most, on average
ALIKE = (0.3, 3.5)  # words of a translation by words of its source
LOOKED_AT = 500  # rows
MANY = 50  # rows, and rows to one source, from which a column of sources looks wrong


def references(value: Any, role: str) -> list[str]:
    """The texts that count as right, in their order: one text or number, a list of them, or ``{"text": ...}`` as SQuAD has it.

    Raises ``RowError`` where there is none.
    """
    value = value.get("text") if isinstance(value, dict) else value
    given = value if isinstance(value, list) else [value]
    given = [one for one in given if one is not None and one == one]  # NaN is not itself
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in given):
        raise RowError(f"{str(value)[:60]!r} is no text, nor a list of texts", "Name the right column under data.columns", role)
    found = [text for one in given if (text := str(one).strip())]
    if not found:
        raise RowError("there is nothing to write", "Give it a text, or leave the row out", role)
    return found


def first_of(value: Any) -> str:
    """The first text that counts as right; an empty one where there is none."""
    try:
        return references(value, "")[0]
    except RowError:
        return ""


def matching(text: str, right: Sequence[str]) -> str:
    """Of several texts that count as right, the one that was written, or the first."""
    return text if text in right else right[0]


def check_variety(sources: Sequence[str]) -> None:
    """Raise ``InputError`` where many rows share a few sources, as in a column that says where each row comes from."""
    several = len(set(sources))
    if len(sources) >= MANY and several < len(sources) / MANY:
        message = f"The sources of {len(sources):,} rows are {several} texts: {', '.join(map(repr, sorted(set(sources))[:3]))}"
        raise InputError(Problem(textwrap.shorten(message, 200), "Say which column has the texts: data.columns: {source: ...}"))


def kind_of(sources: Sequence[str], targets: Sequence[str]) -> tuple[str, str]:
    """``summary``, ``translation`` or ``answer``, by lengths and shared words of some rows, and why, in words for the user."""
    step = -(-len(sources) // LOOKED_AT)
    pairs = [(words(source), words(target)) for source, target in zip(sources[::step], targets[::step], strict=True)]
    pairs = [(source, target) for source, target in pairs if source and target]
    if not pairs:
        return "summary", "the texts have no words"
    asked = fmean(source.rstrip().endswith(("?", "？")) for source in sources[::step])
    ratio = median(len(target) / len(source) for source, target in pairs)
    shared = fmean(len(set(source) & set(target)) / len(set(target)) for source, target in pairs)
    long, short = (fmean(len(pair[side]) for pair in pairs) for side in (0, 1))
    why = f"targets have {ratio:.2g} times the words of their sources, and share {shared:.0%} of theirs with them"
    if asked > 0.5 or (short <= SHORT_ANSWER and long <= SHORT_SOURCE and ratio < ALIKE[0]):
        return "answer", why
    return ("translation" if ALIKE[0] <= ratio <= ALIKE[1] and shared < 0.5 else "summary"), why


def simplest(kind: str, sources: Sequence[str], known: Sequence[str]) -> tuple[str, list[str]]:
    """What can be written without a model, and its name: the first sentence, the source itself, or the most frequent known target."""
    starts = [next(iter(sentences(source)), (0, len(source))) for source in sources]
    usual = Counter(known).most_common(1)[0][0]
    return {
        "summary": ("first_sentence", [source[start:end] for source, (start, end) in zip(sources, starts, strict=True)]),
        "translation": ("copy_of_the_source", list(sources)),
        "answer": ("most_frequent_answer", [usual] * len(sources)),
    }[kind]
