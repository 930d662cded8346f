"""Features of examples, kept in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tunesmith.core.task import Row, Task
from tunesmith.data.examples import Examples


class Encoded(Sequence[Row]):
    """Features by row: numbers, flat lists of numbers, ``length`` (positions it takes) and ``row`` (the index of its example).

    ``lengths``    (rows,) int64, the positions of each row
    ``truncated``  how many rows were cut

    Whole numbers take as few bytes as hold all of their chunk, others take four, since models compute in float32.
    """

    def __init__(self, chunks: Iterable[Sequence[Row]]) -> None:
        """Keep chunks of features; all chunks but the last have the same number of rows."""
        self._chunks: list[dict[str, _Numbers | _Lists]] = []
        lengths: list[int] = []
        self.truncated = 0
        self._chunk_size = 1
        for rows in chunks:
            rows = [{**row, "length": row.get("length", len(row.get("input_ids", ())))} for row in rows]
            self._chunks.append({name: _packed(name, [row[name] for row in rows]) for name in rows[0]})
            self._chunk_size = max(self._chunk_size, len(rows))
            lengths += [row["length"] for row in rows]
            self.truncated += sum(row.get("truncated", 0) > 0 for row in rows)
        self.lengths = np.array(lengths, np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        row = int(index) % len(self)
        chunk, position = divmod(row, self._chunk_size)
        return {**{name: values[position] for name, values in self._chunks[chunk].items()}, "row": row}


def encode(examples: Examples, task: Task, tokenizer: Any, chunk: int = 1000) -> Encoded:
    """Let the task encode all examples, ``chunk`` at a time."""
    rows = iter(examples)
    return Encoded(task.encode(part, tokenizer) for part in iter(lambda: list(islice(rows, chunk)), []))


@dataclass(frozen=True)
class _Numbers:
    """One number per row."""

    values: np.ndarray  # (rows,)

    def __getitem__(self, position: int) -> Any:
        return self.values[position].item()


@dataclass(frozen=True)
class _Lists:
    """One list of numbers per row."""

    values: np.ndarray  # all lists, one after the other
    ends: np.ndarray  # (rows + 1,) where each list ends; the first of them is 0

    def __getitem__(self, position: int) -> Any:
        return self.values[self.ends[position] : self.ends[position + 1]].tolist()


def _packed(name: str, values: list[Any]) -> _Numbers | _Lists:
    """One feature of a chunk. Raises ``TypeError`` where it is neither a number nor a flat list of numbers."""
    if not hasattr(values[0], "__len__"):
        return _Numbers(_compact(name, np.array(values)))
    flat = np.concatenate([np.atleast_1d(value) for value in values if len(value)] or [np.zeros(0, np.int8)])
    return _Lists(_compact(name, flat), np.cumsum([0, *map(len, values)]))


def _compact(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise TypeError(
            f"feature '{name}' holds {array.dtype} of {array.ndim} dimensions: it must be a number or a flat list of numbers per row"
        )
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    least, most = (int(array.min()), int(array.max())) if len(array) else (0, 0)
    return array.astype(np.promote_types(np.min_scalar_type(least), np.min_scalar_type(most)))
