"""Rows as a task reads them: columns found, labels named, every row checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Column, Row, RowError, Task
from tunesmith.data.columns import BESIDE, ID, find, listed
from tunesmith.data.labels import in_cell, names_of
from tunesmith.data.rows import Rows
from tunesmith.data.source import read
from tunesmith.data.split import keys_of


class Examples(Sequence[Row]):
    """Rows that a task reads one at a time, when they are asked for; going through them in order is fastest.

    ``unread`` are the headers of truths that were left out of rows to predict, since the task cannot read them.
    """

    def __init__(self, rows: Rows, task: Task, unread: Sequence[str] = ()) -> None:
        self.rows, self.task, self.unread = rows, task, unread

    def raw(self, index: int) -> Row:
        """The values of a row as they stand in the file, by role."""
        return self.rows[index]

    def place(self, index: int) -> tuple[str, int]:
        """The file and the line (from 1) that a row came from."""
        return self.rows.place(index)

    def select(self, indices: np.ndarray) -> Examples:
        """The examples at ``indices`` (integers), in that order."""
        return Examples(self.rows.select(indices), self.task)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Examples: ...
    def __getitem__(self, index: int | slice) -> Row | Examples:
        return Examples(self.rows[index], self.task) if isinstance(index, slice) else self.task.read(self.rows[index])

    def __iter__(self) -> Iterator[Row]:
        return map(self.task.read, self.rows)


def read_examples(
    spec: Any,
    task: Task,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    truth: bool = True,
    skip_bad: bool = False,
    base: Path | None = None,
) -> tuple[Examples, list[Problem]]:
    """Rows for a task that has learned what it must know, to predict (``truth`` false: labels need not be there) or to judge.

    A truth that need not be there, and that the task cannot read in every row, is left out. Returns the examples and what is wrong with
    the rows that were left out. Raises ``InputError`` like ``read`` and ``find``.
    """
    rows, headers, bad = read_roles(spec, task, columns, truth, base)
    examples, unreadable = checked(relabelled(rows, task, labels or {}), task, headers, truth)
    if unreadable and not truth and (unread := [headers[role] for role in truths(rows, task)]):
        asked = rows.renamed({role: role for role in rows.columns if role not in truths(rows, task)})
        examples, unreadable = checked(asked, task, headers, truth)
        examples = Examples(examples.rows, task, unread)
    bad = in_order(bad + unreadable)
    if bad and not (skip_bad and examples):
        raise InputError(*bad)
    return examples, bad


def read_roles(
    spec: Any, task: Task, columns: Mapping[str, str] | None, truth: bool = True, base: Path | None = None, grouped: bool = False
) -> tuple[Rows, dict[str, str], list[Problem]]:
    """Rows with the columns of a task under their roles, the header of each role, and what is wrong with the rows that were left out.

    Columns of groups and of difficulty that ``columns`` names must be there where the rows are to be ``grouped``. Rows without a value
    that the task needs are left out too. Raises ``InputError`` where no row is left or a column is not there.
    """
    unit = next((column.unit for column in task.columns()), "line")
    rows, bad = read(spec, skip_bad=True, base=base, unit=unit)
    named = (columns or {}).items()
    columns = {role: header for role, header in named if grouped or role not in BESIDE or header in rows.columns}
    beside = [role for role in (BESIDE if truth else (*BESIDE, ID)) if role in columns]
    known = [*task.columns(), *(Column(role, (), truth=True) for role in beside)]
    headers = find(known, rows.columns, columns, rows.place(0)[0], truth)
    if not headers.keys() - {*BESIDE, ID}:
        roles = ", ".join(column.role for column in task.columns())
        remedy = f"Name one as the task does: {roles}"
        raise InputError(Problem(f"no column is known to the task. {listed(rows.columns)}", remedy, rows.place(0)[0]))
    rows = located(parted(rows.renamed(headers), task), task, base or Path())
    wanted = [column for column in known if column.required and not column.blank and (truth or not column.truth)]
    needed = [column.role for column in wanted if column.role in headers]
    empty = [(index, role) for index, row in enumerate(rows) for role in needed if _is_empty(row[role])]
    if empty:
        remedies = {role: f"{_filling(rows, task, role)}, or leave the row out" for _, role in empty}
        bad += [Problem("the cell is empty", remedies[role], *rows.place(index), headers[role]) for index, role in empty]
        rows = without(rows, [index for index, _ in empty])
    if not rows:
        raise InputError(*in_order(bad))
    return rows, headers, bad


def _filling(rows: Rows, task: Task, role: str) -> str:
    """What to do about an empty cell."""
    several = getattr(task, "kind", "") == "multi" or any(isinstance(value, list) for value in rows.column(role))
    return "Write [] for no label" if role == labelled(rows, task) and several else "Fill it"


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Problems as they stand in the files."""
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def checked(rows: Rows, task: Task, headers: Mapping[str, str], truth: bool = True) -> tuple[Examples, list[Problem]]:
    """The rows that the task can read, and learn from where ``truth`` is to be there, and what is wrong with the others."""
    problems, out = [], []
    for index, row in enumerate(rows):
        try:
            found = task.read(row)
            if truth:
                task.teaches(found)
        except RowError as error:
            out.append(index)
            problems.append(Problem(error.message, error.remedy, *rows.place(index), headers.get(error.column, error.column)))
    return Examples(without(rows, out) if out else rows, task), problems


def without(rows: Rows, indices: Sequence[int]) -> Rows:
    """All rows but those at ``indices``."""
    return rows.select(np.setdiff1d(np.arange(len(rows)), indices))


def parted(rows: Rows, task: Task) -> Rows:
    """The rows with a list in each cell that holds several values, in the columns of a task that can have such cells."""
    for column in task.columns():
        if column.separator and column.role in rows.columns:
            values = rows.column(column.role)
            found = [in_cell(value, column.separator) for value in values]
            rows = rows.replaced(column.role, found) if found != values else rows
    return rows


def located(rows: Rows, task: Task, base: Path) -> Rows:
    """The rows with whole paths in the columns that name files: they start from the folder of the data file."""
    for column in task.columns():
        if column.file and column.role in rows.columns:
            values = rows.column(column.role)
            folders = [Path(rows.place(row)[0]) for row in range(len(rows))]
            starts = [place.parent if place.suffix else base for place in folders]
            named = [isinstance(value, str) and value.strip() for value in values]
            found = [str(start / value) if name else value for start, value, name in zip(starts, values, named, strict=True)]
            rows = rows.replaced(column.role, found)
    return rows


def relabelled(rows: Rows, task: Task, labels: Mapping[Any, str]) -> Rows:
    """The rows with the values of truth columns replaced as ``labels`` says, inside lists too; other values stay."""
    names = {names_of(value)[0]: name for value, name in labels.items()}
    if names:
        for role in truths(rows, task):
            values = rows.column(role)
            rows = rows.replaced(
                role, [[_named(v, names) for v in value] if isinstance(value, list) else _named(value, names) for value in values]
            )
    return rows


def truths(rows: Rows, task: Task) -> list[str]:
    """The roles among the columns of ``rows`` that hold the answer."""
    return [column.role for column in task.columns() if column.truth and column.role in rows.columns]


def labelled(rows: Rows, task: Task) -> str | None:
    """The role among the columns of ``rows`` that holds labels of whole rows, where the task has one."""
    return next((column.role for column in task.columns() if column.label and column.role in rows.columns), None)


def inputs(rows: Rows, task: Task) -> list[str]:
    """The roles among the columns of ``rows`` that hold what is asked: they tell duplicates."""
    return [role for role in rows.columns if role not in (*truths(rows, task), *BESIDE)]


def duplicate_keys(rows: Rows, task: Task) -> Iterator[str]:
    """One text for each row: rows that are asked the same have the same one. Of pictures and recordings the content counts."""
    return keys_of(rows, inputs(rows, task), {column.role for column in task.columns() if column.file})


def _named(value: Any, names: Mapping[str, str]) -> Any:
    return names.get(names_of(value)[0], value)


def _is_empty(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())  # NaN is not itself
