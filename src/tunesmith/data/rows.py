"""Rows with their provenance, kept column by column in little memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from tunesmith.data.values import Values

Row = dict[str, Any]
BLOCK = 1000  # rows turned into Python values at a time


@dataclass(frozen=True)
class Places:
    """Where every row stands: ``files[file[i]]``, line ``line[i]`` (from 1; the row's number where a format has no lines)."""

    files: tuple[str, ...]
    file: np.ndarray  # (rows,) int32
    line: np.ndarray  # (rows,) int64

    @classmethod
    def of(cls, file: str, lines: np.ndarray) -> Places:
        """The places of rows of one file."""
        return cls((file,), np.zeros(len(lines), np.int32), lines)

    @classmethod
    def join(cls, parts: Sequence[Places]) -> Places:
        """Places one after the other."""
        files = tuple(file for part in parts for file in part.files)
        starts = np.cumsum([0, *(len(part.files) for part in parts)])
        file = np.concatenate([part.file + start for part, start in zip(parts, starts, strict=False)]).astype(np.int32)
        return cls(files, file, np.concatenate([part.line for part in parts]))

    def take(self, indices: np.ndarray) -> Places:
        """The places at ``indices``."""
        return Places(self.files, self.file[indices], self.line[indices])

    def __len__(self) -> int:
        return len(self.line)

    def __getitem__(self, index: int) -> tuple[str, int]:
        return self.files[self.file[index]], int(self.line[index])


class Rows(Sequence[Row]):
    """An immutable table whose rows are dictionaries of raw values, and which knows the file and line of each.

    A million short rows cost about 100 MB. Going through them in order is much faster than one by one.
    """

    def __init__(self, values: Mapping[str, Values], places: Places) -> None:
        self._values, self._places = dict(values), places

    @classmethod
    def join(cls, parts: Sequence[Rows]) -> Rows:
        """Rows one after the other; the parts have the same columns, in any order."""
        if len(parts) == 1:
            return parts[0]
        values = {name: Values.join([part._values[name] for part in parts]) for name in parts[0].columns}
        return cls(values, Places.join([part._places for part in parts]))

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the order of the first file."""
        return list(self._values)

    def column(self, name: str) -> list[Any]:
        """All values of one column."""
        return self._values[name].list()

    def each(self, name: str) -> Iterator[Any]:
        """The values of one column one after the other: a column of a million labels is no list of a million texts."""
        for start in range(0, len(self), BLOCK):
            yield from self._values[name].list(start, BLOCK)

    def place(self, index: int) -> tuple[str, int]:
        """The file and the line (from 1) that a row came from."""
        return self._places[index]

    def select(self, indices: np.ndarray) -> Rows:
        """The rows at ``indices`` (integers), in that order."""
        return Rows({name: values.take(indices) for name, values in self._values.items()}, self._places.take(indices))

    def renamed(self, headers: Mapping[str, str]) -> Rows:
        """The columns that ``headers`` (new name -> present name) lists, and no others."""
        return Rows({name: self._values[header] for name, header in headers.items()}, self._places)

    def replaced(self, name: str, values: Sequence[Any]) -> Rows:
        """The same rows with other values in one column."""
        return Rows({**self._values, name: Values.of(values)}, self._places)

    def blocks(self) -> Iterator[dict[str, list[Any]]]:
        """The table in pieces of ``BLOCK`` rows, each a list of values by column."""
        for start in range(0, len(self), BLOCK):
            yield {name: values.list(start, BLOCK) for name, values in self._values.items()}

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return {name: values[index] for name, values in self._values.items()}

    def __iter__(self) -> Iterator[Row]:
        for block in self.blocks():
            for values in zip(*block.values(), strict=True):
                yield dict(zip(block, values, strict=True))
