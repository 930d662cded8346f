"""Queries with candidates: which texts a row has, and how relevant each of them is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row, RowError
from tunesmith.data.text import check_text

FORMS = {"listwise": ("candidates",), "pairwise": ("positive", "negative"), "pointwise": ("text",)}  # the columns of each, best first


@dataclass(frozen=True)
class Candidates:
    """The ``texts`` of a row, and how relevant they are, 0 or more; no relevances where the row does not say. ``form`` is of ``FORMS``."""

    form: str
    texts: list[str]
    relevances: list[float]


def candidates_of(row: Row) -> Candidates:
    """What a row ranks: a ``text``, a ``positive`` and a ``negative`` one, or a list of ``candidates``. Raises ``RowError``.

    ``relevance`` is a number for the text, or a list of them for the list, whose items may also be ``{"text", "relevance"}``.
    """
    form = next((form for form, roles in FORMS.items() if all(row.get(role) is not None for role in roles)), None)
    if form is None:
        given = [role for roles in FORMS.values() for role in roles if role in row]
        raise RowError(
            "there is nothing to rank", "Give text, positive and negative, or a list of candidates", given[0] if given else "text"
        )
    if form == "pairwise":
        sides = [(role, value if isinstance(value := row[role], list) else [value]) for role in FORMS[form]]
        found = [(text, float(role == "positive"), role) for role, texts in sides for text in texts]
        if both := {text for text, relevance, _ in found if relevance} & {text for text, relevance, _ in found if not relevance}:
            raise RowError(f"'{min(map(str, both))[:60]}' is both positive and negative", "Take it out of one of them", "negative")
    else:
        found = [(text, relevance, FORMS[form][0]) for text, relevance in _listed(row, form)]
    if not found:
        raise RowError("the list of candidates is empty", "Give one at least, or leave the row out", FORMS[form][0])
    for text, _, role in found:
        check_text(text, role)
    known = form == "pairwise" or any(relevance is not None for _, relevance, _ in found) or "relevance" in row
    return Candidates(form, [text for text, *_ in found], [_relevance(relevance) for _, relevance, _ in found] if known else [])


@dataclass(frozen=True)
class Learned:
    """What training rows rank: their ``forms``, the ``most`` texts of a row, the ``highest`` relevance, and ``lines`` for the user."""

    forms: set[str]
    most: int
    highest: float
    lines: list[str]


def learn_candidates(rows: Iterable[Row]) -> Learned:
    """What the candidates of training rows are. Raises ``InputError`` where nothing can be compared."""
    forms, most = set[str](), 0
    queries: dict[str, list[float]] = {}
    for row in rows:
        with suppress(RowError):  # it is said later, with its place
            found = candidates_of(row)
            forms, most = forms | {found.form}, max(most, len(found.texts))
            queries.setdefault(str(row["query"]), []).extend(found.relevances)
    if queries and not any(queries.values()):
        raise InputError(Problem("no training row says how relevant its candidates are", "Name the column: data.columns: {relevance: ...}"))
    if queries and not differ(queries.items()):
        message = "no query has two candidates of different relevance, so there is nothing to rank"
        raise InputError(Problem(message, "Add candidates, or take text_classification with kind: regression", column="relevance"))
    relevances = [relevance for of_query in queries.values() for relevance in of_query] or [0.0]
    each = f"{len(relevances) / max(1, len(queries)):.1f}"
    told = [f"task: {len(queries):,} queries with {each} candidates each, relevance {min(relevances):g} to {max(relevances):g}"]
    flat = [max(of_query, default=0.0) for of_query in queries.values() if len(set(of_query)) < 2]
    if flat:
        none = sum(relevance == 0 for relevance in flat)
        consequence = "a ranking cannot be learned from them, nor judged"
        told.append(f"task: {none:,} queries have no relevant candidate, and {len(flat) - none:,} no other: {consequence}")
    return Learned(forms, most, max(relevances), told)


def differ(queries: Iterable[tuple[str, Iterable[float]]]) -> bool:
    """Whether any query has two candidates of different relevance, in one row or in several, given the relevances of each."""
    known: dict[str, set[float]] = {}
    for query, relevances in queries:
        known.setdefault(query, set()).update(relevances)
    return any(len(relevances) > 1 for relevances in known.values())


def by_query(rows: Sequence[Row], scores: Sequence[Sequence[float]]) -> tuple[list[list[float]], list[list[float]], list[int]]:
    """Relevances and scores of the candidates of each query, which may stand in several rows, and the number of each row's query.

    A text that a query has more than once counts once, with its highest relevance.
    """
    queries: dict[str, dict[str, tuple[float, float]]] = {}
    number_of: dict[str, int] = {}
    for row, of_row in zip(rows, scores, strict=True):
        known = queries.setdefault(row["query"], {})
        number_of.setdefault(row["query"], len(number_of))
        for text, relevance, score in zip(row["texts"], row["relevances"], of_row, strict=True):
            known[text] = max(known.get(text, (relevance, score)), (relevance, score))
    pairs = [list(zip(*known.values(), strict=True)) for known in queries.values()]
    numbers = [number_of[row["query"]] for row in rows]
    return [list(relevances) for relevances, _ in pairs], [list(of_query) for _, of_query in pairs], numbers


def _listed(row: Row, form: str) -> list[tuple[Any, Any]]:
    """Texts with their relevances, None where there is none."""
    if form == "pointwise":
        return [(row["text"], row.get("relevance"))]
    texts, relevances = row["candidates"], row.get("relevance")
    if not isinstance(texts, list):
        raise RowError(f"'{str(texts)[:60]}' is no list of texts", "Write a list, or name the column as text", "candidates")
    if texts and all(isinstance(item, dict) for item in texts):
        return [(item.get("text"), item.get("relevance", item.get("label"))) for item in texts]
    if relevances is None:
        return [(text, None) for text in texts]
    if not isinstance(relevances, list) or len(relevances) != len(texts):
        number = len(relevances) if isinstance(relevances, list) else 1
        raise RowError(f"{len(texts)} candidates have {number} relevances", "Give one for each, in the same order", "relevance")
    return list(zip(texts, relevances, strict=True))


def _relevance(value: Any) -> float:
    if value is None or value == "":
        raise RowError("the relevance is empty", "Give a number, 0 for what is not relevant", "relevance")
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not 0 <= found < math.inf:
        raise RowError(f"the relevance is '{str(value)[:60]}'", "Give a number of 0 or more, 0 for what is not relevant", "relevance")
    return found
