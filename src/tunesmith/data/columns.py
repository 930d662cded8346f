"""Which column of a file is which of a task's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tunesmith.core.errors import InputError, Problem

if TYPE_CHECKING:
    from tunesmith.core.task import Column

DIFFICULTY = "difficulty"  # the role of a column of numbers that any rows may have where it is named: how hard a row is to learn
GROUP = "group"  # the role of a column that any rows may have where it is named: a source, a speaker, a part of the population
ID = "id"  # the role of a column that says which row it is, where rows to predict have it: predictions get it too

BESIDE = (GROUP, DIFFICULTY)


def find(
    columns: Sequence[Column], headers: Sequence[str], mapping: Mapping[str, str] | None = None, file: str = "", truth: bool = True
) -> dict[str, str]:
    """The header of each role that the file has, ``mapping`` (role -> header) before the names that a task knows.

    Columns that hold the truth are looked for but not required when ``truth`` is false, as in predicting.
    Raises ``InputError`` for roles and headers that are not there.
    """
    mapping = dict(mapping or {})
    roles = [column.role for column in columns]
    problems = [
        Problem(
            f"'{role}' is not a column of this task", meant(role, roles) or f"Its columns: {', '.join(roles)}", key=f"data.columns.{role}"
        )
        for role in mapping
        if role not in roles
    ]
    found: dict[str, str] = {}
    missing: list[str] = []
    free = [header for header in headers if header not in mapping.values()]
    for column in columns:
        if column.role in mapping:
            header = mapping[column.role]
            if header in headers:
                found[column.role] = header
            elif truth or not column.truth:
                problems.append(Problem(f"there is no column '{header}'", meant(header, headers) or listed(headers), file))
        elif known := _by_name(column, free):
            found[column.role] = known
            free.remove(known)
        elif column.required and (truth or not column.truth):
            missing.append(column.role)
    for role in missing:
        mapped = f"Say which it is, for example columns: {{{role}: {free.pop(0)}}}" if free else f"Give a file with a column of the {role}"
        remedy = mapped if truth else f"Rename one to {role}"
        problems.append(Problem(f"no column is known as the {role}. {listed(headers)}", remedy, file))
    if problems:
        raise InputError(*problems)
    return found


def describe(found: Mapping[str, str]) -> str:
    """One line for the user: ``columns: text <- review, label <- stars``."""
    return "columns: " + ", ".join(f"{role} <- {header}" for role, header in found.items())


def meant(word: str, words: Iterable[str]) -> str:
    """``Did you mean 'x'?`` with the nearest of ``words``, or nothing where none is near."""
    near = get_close_matches(word, list(words), 1)
    return f"Did you mean '{near[0]}'?" if near else ""


def plain_name(name: str) -> str:
    """A name as names are compared: without case, blanks and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def listed(headers: Sequence[str]) -> str:
    """The columns there are, in a sentence."""
    return f"The columns are {', '.join(headers[:20])}{', ...' if len(headers) > 20 else ''}"


def _by_name(column: Column, headers: Sequence[str]) -> str | None:
    plain = {plain_name(header): header for header in reversed(headers)}
    names = column.names if column.role in column.names else (column.role, *column.names)
    return next((plain[name] for name in map(plain_name, names) if name in plain), None)
