"""Gathers the rows of one file while it is read, and everything that is wrong with them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.rows import Places, Row, Rows
from tunesmith.data.values import Values

CHUNK = 10_000  # rows held as Python objects before they are packed


@contextmanager
def collecting(problems: list[Problem]) -> Iterator[None]:
    """Add the problems of an ``InputError`` to a list and go on, so that all of them can be reported at once."""
    try:
        yield
    except InputError as error:
        problems.extend(error.problems)


class Collector:
    """The rows of one file so far, packed as they come, and the ``problems`` of the rows that could not be used."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._pending: list[Row] = []
        self._pending_lines: list[int] = []
        self._lines = array("q")
        self._chunks: dict[str, list[Values]] = {}

    def __len__(self) -> int:
        """The rows so far."""
        return len(self._lines) + len(self._pending)

    def add(self, row: Row, line: int) -> None:
        """Keep one row; keys that other rows have and it has not are ``None``."""
        if not row:
            self.bad("the row is empty", "Remove it", line)
            return
        self._pending.append(row)
        self._pending_lines.append(line)
        if len(self._pending) == CHUNK:
            self._pack()

    def bad(self, message: str, remedy: str, line: int, column: int | str = "") -> None:
        """Note that one row cannot be used."""
        self.problems.append(self.problem(message, remedy, line, column))

    def problem(self, message: str, remedy: str, line: int = 0, column: int | str = "") -> Problem:
        """A problem with a place in this file."""
        return Problem(message, remedy, self.file, line, column)

    def rows(self) -> Rows:
        """Everything that was added."""
        self._pack()
        values = {name: Values.join(chunks) for name, chunks in self._chunks.items()}
        return Rows(values, Places.of(self.file, np.frombuffer(self._lines, np.int64)))

    def _pack(self) -> None:
        names = dict.fromkeys(chain(self._chunks, *self._pending))
        try:
            packed = {name: Values.of([row.get(name) for row in self._pending]) for name in names}
        except (TypeError, UnicodeEncodeError):
            self._drop_unusable()
            self._pack()
            return
        for name, values in packed.items():
            before = [Values.of([None] * len(self._lines))] if len(self._lines) else []
            self._chunks.setdefault(name, before).append(values)
        self._lines.extend(self._pending_lines)
        self._pending, self._pending_lines = [], []

    def _drop_unusable(self) -> None:
        """Rows with values that cannot be kept: half of a surrogate pair, or an object of Python."""
        kept = []
        for row, line in zip(self._pending, self._pending_lines, strict=True):
            try:
                for name, value in row.items():  # noqa: B007 - the name is read where a value fails
                    Values.of([value])
                kept.append((row, line))
            except UnicodeEncodeError:
                self.bad("a character is only half there (a lone surrogate)", "Write the character itself", line, name)
            except TypeError as error:
                self.bad(str(error), "Convert it to text, a number, or a list or dictionary of them", line, name)
        self._pending, self._pending_lines = [row for row, _ in kept], [line for _, line in kept]
