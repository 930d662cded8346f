"""Rows to predict that are told by one value: a text, or the path of a picture or of a recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row, Task
from tunesmith.data.examples import Examples
from tunesmith.data.media import is_there
from tunesmith.data.readers import TEXT, format_of
from tunesmith.data.source import SAMPLE, is_name


def row_of(value: str, task: Task, remedy: str = "Give rows such as {}") -> Row:
    """The row that a text asks by itself, or the path of a file where the task reads files.

    Raises ``InputError`` where a row needs more; in ``remedy`` such a row stands for ``{}``.
    """
    columns = task.asked_by()
    if len(columns) > 1:
        *roles, last = [column.role for column in columns]
        message = f"a row has {', '.join(roles)} and {last}, and this is one text"
        sketch = json.dumps({column.role: column.usual or "..." for column in columns})
        raise InputError(Problem(message, remedy.replace("{}", sketch)))
    return {columns[0].role: value}


def as_rows(spec: Any, task: Task) -> Any:
    """What ``source.read`` is to read for ``spec``: of a list of texts, and of a picture or a recording, the rows that they ask."""
    given = [str(spec)] if isinstance(spec, str | Path) else spec
    if not isinstance(given, list | tuple) or not given or not all(isinstance(value, str | Path) for value in given):
        return spec
    is_data = not _is_medium(str(given[0]), task) and (given is not spec or is_name(given[0], Path()))
    return spec if is_data else [row_of(str(value), task) for value in given]


def blank_lines(examples: Examples) -> list[int]:
    """The lines of a text file, up to its last row, on which no row stands; none where rows are no lines."""
    files = {examples.place(row)[0] for row in range(len(examples))}
    unit = next((column.unit for column in examples.task.columns()), "line")
    if unit != "line" or len(files) != 1 or format_of(Path(files.pop())) != TEXT:
        return []
    lines = [examples.place(row)[1] for row in range(len(examples))]
    return sorted(set(range(1, max(lines))) - set(lines))


def passed_over(lines: Sequence[int]) -> str:
    """That lines are empty and have no prediction, for people."""
    return f"{len(lines):,} empty line{'s' if len(lines) > 1 else ''} passed over, the first is line {lines[0]:,}"


def _is_medium(value: str, task: Task) -> bool:
    """Whether a text is the path of a file that the task reads as a picture or a recording, rather than of a data file."""
    reads_files = any(column.file for column in task.asked_by())
    return reads_files and not value.startswith(SAMPLE) and not format_of(Path(value)) and is_there(value)
