"""Questions about a text as SQuAD, CMRC and DRCD write them: nested articles, and answers with their places."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row, RowError
from tunesmith.data.words import words

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0", "")
_SHOWN = 60  # characters of an answer in a message


@dataclass(frozen=True)
class Answer:
    """What counts as right, and where the first of it stands in the context, in characters; no texts where there is no answer.

    ``moved``   the place that was given is another one; ``several`` no place was given, and the text stands in more than one
    """

    texts: tuple[str, ...] = ()
    start: int = -1
    end: int = -1
    moved: bool = False
    several: bool = False


def questions(item: Row) -> list[Row] | None:
    """The questions of an article (``paragraphs``) or of a paragraph (``qas``) as rows; None for anything else."""
    parts = item.get("paragraphs") if isinstance(item.get("paragraphs"), list) else [item]
    if not parts or not all(isinstance(part, dict) and isinstance(part.get("qas"), list) for part in parts):
        return None
    return [row for part in parts for row in _of_paragraph(part, item.get("title"))]


def answers_of(rows: Iterable[Row], unanswerable: bool | None) -> list[Answer]:
    """The answers of training rows; what is wrong with the others is said later, with its place. Raises ``InputError`` for none at all."""
    found = []
    for row in rows:
        with suppress(RowError):
            found += [answer_of(row, unanswerable)] if isinstance(row["context"], str) else []
    if found and not any(answer.texts for answer in found):
        remedy = "Add rows that have one, or name their column, data.columns: {answers: ...}"
        raise InputError(Problem("no training row has an answer", remedy, column="answers"))
    return found


def summary(found: Sequence[Answer], longest: int) -> list[str]:
    """What training rows hold, in lines for the user: how many questions have an answer, and what is odd about answers.

    Answers of more than ``longest`` words cannot be given whole.
    """
    without = sum(not answer.texts for answer in found)
    odd = {
        "do not stand where answer_start says: the nearest place is taken": sum(answer.moved for answer in found),
        "stand several times in their context: the first place is taken": sum(answer.several for answer in found),
        f"have more than {longest} words, and cannot be given whole: raise task.max_answer": sum(
            len(words(answer.texts[0])) > longest for answer in found if answer.texts
        ),
    }
    told = f"task: {len(found) - without:,} questions with an answer in their context" + (f", {without:,} without" if without else "")
    return [told, *(f"task: {number:,} answers {remark}" for remark, number in odd.items() if number)]


def _of_paragraph(paragraph: Row, title: Any) -> Iterator[Row]:
    for question in paragraph["qas"]:
        asked = question if isinstance(question, dict) else {}
        yield {
            "title": title,
            "context": paragraph.get("context", paragraph.get("context_text")),
            "question": asked.get("question", asked.get("query_text")),
            "id": asked.get("id", asked.get("query_id")),
            "answers": asked.get("answers"),
            **({"is_impossible": asked["is_impossible"]} if "is_impossible" in asked else {}),
        }


def answer_of(row: Row, unanswerable: bool | None) -> Answer:
    """The answer of a row that has a ``context``, in any form that ``answers`` may have.

    SQuAD's ``{"text": [...], "answer_start": [...]}`` or a list of ``{"text", "answer_start"}``, texts alone, which are looked for in
    the context, or one text with its ``answer_start``. A place that is wrong gives way to the nearest one that is right. There is no
    answer where ``is_impossible`` says so, where the list is empty, and where the cell is and ``unanswerable`` is true. Raises
    ``RowError``.
    """
    value, impossible = _as_written(row.get("answers")), _truth(row.get("is_impossible"))
    given = _pairs(value, row.get("answer_start"))
    if given and impossible:
        raise RowError("is_impossible is true, and there is an answer", "Take one of the two away", "is_impossible")
    if given:
        first, *others = [(str(text).strip() if text is not None else "", text, start) for text, start in given]
        texts = tuple(dict.fromkeys(text for text, *_ in (first, *others) if text))
        return _located(row["context"], *first, texts)
    if impossible is False:
        raise RowError("is_impossible is false, and there is no answer", "Give the answer, or say true", "answers")
    if impossible is None and not isinstance(value, list | dict) and not unanswerable:
        remedy = "Give it, or set task.unanswerable: true where an empty cell means that there is none"
        raise RowError("the answer is empty", remedy, "answers")
    if unanswerable is False:
        raise RowError("there is no answer, and task.unanswerable is false", "Leave the row out, or set it to true", "answers")
    return Answer()


def _as_written(value: Any) -> Any:
    """The list or dictionary that a cell of a table writes, else the value."""
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(value.strip())  # nothing is run
    return value


def _pairs(value: Any, start: Any = None) -> list[tuple[Any, Any]]:
    """Texts with their places, None where no place is given."""
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs(item, start if len(value) == 1 else None) or [("", None)]]
    if isinstance(value, dict):
        if "text" not in value:
            raise RowError(f"an answer has the keys {', '.join(map(str, value))}, and no text", "Write text and answer_start", "answers")
        texts, starts = value["text"], value.get("answer_start")
        if not isinstance(texts, list):
            return [(texts, starts)]
        starts = starts if isinstance(starts, list) else [starts] * len(texts)
        if len(starts) != len(texts):
            raise RowError(f"{len(texts)} answers have {len(starts)} places", "Give an answer_start for each text", "answers")
        return list(zip(texts, starts, strict=True))
    return [] if value is None or value != value or not str(value).strip() else [(value, start)]


def _located(context: str, text: str, written: Any, start: Any, texts: tuple[str, ...]) -> Answer:
    """The answer with the place of ``text``, which is ``written`` with blanks perhaps, in the context."""
    if not text:
        raise RowError("the answer is empty", "Give it, or an empty list where there is none", "answers")
    place = _whole(start)
    if place is not None:
        place += len(str(written)) - len(str(written).lstrip())
        if place >= 0 and context.startswith(text, place):
            return Answer(texts, place, place + len(text))
    places = [found.start() for found in re.finditer(f"(?={re.escape(text)})", context)]
    if not places:
        raise RowError(f"the answer '{_short(text)}' is not in the context", _nearly(context, text), "answers")
    nearest = min(places, key=lambda found: abs(found - place)) if place is not None else places[0]
    return Answer(texts, nearest, nearest + len(text), moved=place is not None, several=place is None and len(places) > 1)


def _nearly(context: str, text: str) -> str:
    """A remedy: what the context has, where it differs in case or blanks alone."""
    found = re.search(r"\s*".join(map(re.escape, "".join(text.split()))), context, re.IGNORECASE)
    return f"Did you mean '{_short(found[0])}'?" if found else "Copy it from the context letter for letter, or leave the row out"


def _whole(start: Any) -> int | None:
    """The place that a cell gives, or None for an empty one."""
    if start is None or start != start or start == "":
        return None
    try:
        return int(start)
    except (TypeError, ValueError, OverflowError):
        message = f"answer_start is '{_short(str(start))}'"
        raise RowError(message, "Give the number of characters before the answer, or nothing", "answer_start") from None


def _truth(value: Any) -> bool | None:
    """What a cell of ``is_impossible`` says; None where it says nothing."""
    if value is None or value != value:
        return None
    word = str(value).strip().lower().removesuffix(".0")
    if word not in _TRUE + _FALSE:
        raise RowError(f"is_impossible is '{_short(str(value))}'", "Write true or false", "is_impossible")
    return None if word == "" else word in _TRUE


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
