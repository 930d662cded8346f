"""Features of examples, kept in little memory, and in a file of the cache folder for those who encode the same again."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row, RowError, Task
from tunesmith.data import labels
from tunesmith.data.columns import DIFFICULTY, GROUP
from tunesmith.data.examples import Examples
from tunesmith.data.kept import LIMIT, file_of, written

OWNER = "__example__"  # the column of a file that says which example an item is of


class Encoded(Sequence[Row]):
    """Features by item: numbers, flat lists of numbers, ``length`` (positions it takes) and ``row`` (the index of its example).

    ``lengths``    (items,) int64, the positions of each item
    ``rows``       (items,) int64, the example that each item is of, or is a part of
    ``truncated``  how many items were cut
    ``examples``   the rows of data that they were encoded from, where they were
    ``groups``     the names of the groups that the items are of, by their numbers, where they are of any

    Whole numbers take as few bytes as hold all of their chunk, others take four, since models compute in float32.
    """

    def __init__(self, chunks: Iterable[Sequence[Row]]) -> None:
        """Keep chunks of features, as ``Task.encode`` returns them: their ``example`` is counted within the chunk."""
        self._chunks: list[dict[str, _Numbers | _Lists]] = []
        self._starts: list[int] = []
        lengths, owners = array("q"), array("q")
        self.truncated = 0
        self.groups: list[str] = []
        self.examples: Examples | None = None
        for items in chunks:
            items = [{**item, "length": item.get("length", len(item.get("input_ids", ())))} for item in items]
            self._starts.append(len(lengths))
            self._chunks.append({name: _packed(name, [item[name] for item in items]) for name in items[0] if name != "example"})
            before = owners[-1] + 1 if owners else 0
            owners.extend(before + item.get("example", place) for place, item in enumerate(items))
            lengths.extend(item["length"] for item in items)
            self.truncated += sum(item.get("truncated", 0) > 0 for item in items)
        self.lengths, self.rows = np.array(lengths, np.int64), np.array(owners, np.int64)

    @classmethod
    def join(cls, named: Mapping[str, Encoded], mark: str) -> Encoded:
        """The items of several, one after the other, each with the number of its part as ``mark``; groups are named with their part."""
        whole, parts = cls(()), list(named.values())
        before = np.cumsum([0, *(len(part) for part in parts)])
        examples = np.cumsum([0, *(part.rows[-1] + 1 if len(part) else 0 for part in parts)])
        for number, (name, part) in enumerate(named.items()):
            ends = [*part._starts[1:], len(part)]
            for start, end, chunk in zip(part._starts, ends, part._chunks, strict=True):
                own = {GROUP: np.int64(len(whole.groups)) + chunk[GROUP].values} if GROUP in chunk else {}
                own[mark] = np.full(end - start, number)
                whole._chunks.append({**chunk, **{role: _Numbers(_compact(role, values)) for role, values in own.items()}})
                whole._starts.append(int(before[number]) + start)
            whole.groups += [f"{name}: {group}" for group in part.groups]
        whole.lengths = np.concatenate([part.lengths for part in parts])
        whole.rows = np.concatenate([part.rows + first for part, first in zip(parts, examples[:-1], strict=True)])
        whole.truncated = sum(part.truncated for part in parts)
        return whole

    def write(self, path: Path) -> None:
        """Write everything into an Arrow file, a record batch for each chunk. Raises ``OSError``."""
        import pyarrow as pa

        def typed(name: str) -> Any:
            found = [chunk[name] for chunk in self._chunks]
            flat = pa.from_numpy_dtype(np.result_type(*(values.values.dtype for values in found)))
            return pa.list_(flat) if isinstance(found[0], _Lists) else flat

        names = list(self._chunks[0])
        about = {"truncated": str(self.truncated)}
        schema = pa.schema([*((name, typed(name)) for name in names), (OWNER, pa.int64())], metadata=about)
        ends = [*self._starts[1:], len(self)]
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as out:
            for start, end, chunk in zip(self._starts, ends, self._chunks, strict=True):
                columns = [chunk[name].arrow(schema.field(name).type) for name in names]
                out.write_batch(pa.record_batch([*columns, pa.array(self.rows[start:end])], schema=schema))

    @classmethod
    def read(cls, path: Path) -> Encoded:
        """What ``write`` wrote; the numbers stay in the file until they are asked for. Raises ``OSError`` or ``ValueError``."""
        import pyarrow as pa

        whole = cls(())
        file = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [file.get_batch(number) for number in range(file.num_record_batches)]
        for batch in batches:
            whole._chunks.append({name: _from_arrow(batch.column(name)) for name in batch.schema.names if name != OWNER})
        whole._starts = np.cumsum([0, *(batch.num_rows for batch in batches[:-1])]).tolist()
        whole.lengths = np.concatenate([chunk["length"].values.astype(np.int64) for chunk in whole._chunks])
        whole.rows = np.concatenate([batch.column(OWNER).to_numpy() for batch in batches])
        whole.truncated = int(file.schema.metadata[b"truncated"])
        return whole

    def mark(self, name: str, numbers: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> None:
        """Give every item a feature more: the number of its example, of ``numbers``, (examples,)."""
        ends = [*self._starts[1:], len(self)]
        for start, end, chunk in zip(self._starts, ends, self._chunks, strict=True):
            chunk[name] = _Numbers(_compact(name, numbers[self.rows[start:end]]))

    @property
    def size(self) -> int:
        """The bytes that all features take."""
        return sum(values.size for chunk in self._chunks for values in chunk.values())

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """A feature that is one number of each item, (items,), without the others. Raises ``KeyError`` where there is none of that name."""
        if name == "row":
            return self.rows
        found = [chunk[name] for chunk in self._chunks]
        if any(isinstance(values, _Lists) for values in found):
            raise KeyError(f"feature '{name}' is a list")
        return np.concatenate([np.zeros(0, np.int64), *(values.values for values in found)])

    def alike(self) -> bool:
        """Whether all chunks have the same features, of which there are some."""
        return len({tuple(chunk) for chunk in self._chunks}) == 1

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        item = int(index) % len(self)
        chunk = bisect_right(self._starts, item) - 1
        position = item - self._starts[chunk]
        return {**{name: values[position] for name, values in self._chunks[chunk].items()}, "row": int(self.rows[item])}

    def tokens(self) -> npt.NDArray[np.int64]:
        """Every token that stands in a feature whose name ends with ``ids``, once, in order."""
        flat = [values.values for chunk in self._chunks for name, values in chunk.items() if name.endswith("ids")]
        return np.unique(np.concatenate([np.unique(values) for values in flat] or [np.zeros(0)])).astype(np.int64)


def numbers_of(items: Sequence[Row], name: str) -> npt.NDArray[Any]:
    """A feature that is one number of each item, (items,), of encoded rows of any kind. Raises ``KeyError`` as ``Encoded.numbers`` does."""
    if isinstance(items, Encoded):
        return items.numbers(name)
    found = [item[name] for item in items]
    if any(hasattr(value, "__len__") for value in found):
        raise KeyError(f"feature '{name}' is a list")
    return np.array(found, None if found else np.int64)


def whole_numbers(items: Sequence[Row], name: str) -> npt.NDArray[np.int64] | None:
    """As ``numbers_of``; None where the items have not a whole number each."""
    try:
        found = numbers_of(items, name)
    except KeyError:
        return None
    return found.astype(np.int64) if found.dtype.kind in "biu" else None


def encode(examples: Iterable[Row], task: Task, tokenizer: Any, chunk: int = 1000) -> Encoded:
    """Let the task encode all examples, ``chunk`` at a time. Raises ``InputError`` with all rows that it cannot encode.

    Many examples are encoded once: what came out is kept in the cache folder, and read when the same are to be encoded again.
    Where the examples have a column of groups, each item has the number of its group, in the order of their names, as ``group``, and
    where they have one of difficulty, that number.
    """
    file = file_of(examples, task, tokenizer) if isinstance(examples, Examples) else None
    found = _read(file) if file else None
    if found is None:
        bad: list[Problem] = []
        found = Encoded(_chunks(examples, task, tokenizer, chunk, bad))
        if bad:
            raise InputError(*bad)
        if file and found.alike() and found.size <= LIMIT:
            written(file, found.write)
            found = _read(file) or found  # the numbers are in the file then, and not in memory
    if isinstance(examples, Examples):
        found.examples = examples
        if GROUP in examples.rows.columns:
            names, numbers = np.unique([str(value) for value in examples.rows.column(GROUP)], return_inverse=True)
            found.mark(GROUP, numbers)
            found.groups = names.tolist()
        if DIFFICULTY in examples.rows.columns:
            found.mark(DIFFICULTY, _numbers(examples, DIFFICULTY))
    return found


def _numbers(examples: Examples, role: str) -> npt.NDArray[np.float64]:
    """The numbers in a column. Raises ``InputError`` with every value that is none."""
    numbers, bad = [], []
    for index, value in enumerate(examples.rows.column(role)):
        try:
            numbers.append(labels.number(value))
        except RowError as error:
            bad.append(Problem(error.message, "Correct it, or name a column of numbers under data.columns", *examples.place(index), role))
    if bad:
        raise InputError(*bad)
    return np.array(numbers, np.float64)


def _read(file: Path) -> Encoded | None:
    """What was kept; None where nothing was, or it cannot be read."""
    try:
        os.utime(file)  # used just now: what nobody uses goes first
        return Encoded.read(file)
    except (OSError, ValueError):
        return None


def _chunks(examples: Iterable[Row], task: Task, tokenizer: Any, size: int, bad: list[Problem]) -> Iterator[list[Row]]:
    """The features of examples; where some cannot be encoded, what is wrong with them goes to ``bad``, and their chunk is left out."""
    rows, start = iter(examples), 0
    while part := list(islice(rows, size)):
        try:
            yield task.encode(part, tokenizer)
        except RowError:
            for number, row in enumerate(part, start):
                try:
                    task.encode([row], tokenizer)
                except RowError as error:
                    place = examples.place(number) if isinstance(examples, Examples) else ("", 0)
                    bad.append(Problem(error.message, error.remedy, *place, error.column))
        start += len(part)


@dataclass(frozen=True)
class _Numbers:
    """One number per row."""

    values: np.ndarray  # (rows,)

    @property
    def size(self) -> int:
        return self.values.nbytes

    def __getitem__(self, position: int) -> Any:
        return self.values[position].item()

    def arrow(self, kind: Any) -> Any:
        """As an array of pyarrow, whose type is ``kind``."""
        import pyarrow as pa

        return pa.array(self.values).cast(kind)


@dataclass(frozen=True)
class _Lists:
    """One list of numbers per row."""

    values: np.ndarray  # all lists, one after the other
    ends: np.ndarray  # (rows + 1,) where each list ends; the first of them is 0

    @property
    def size(self) -> int:
        return self.values.nbytes + self.ends.nbytes

    def __getitem__(self, position: int) -> Any:
        return self.values[self.ends[position] : self.ends[position + 1]].tolist()

    def arrow(self, kind: Any) -> Any:
        """As an array of pyarrow, whose type is ``kind``."""
        import pyarrow as pa

        return pa.ListArray.from_arrays(pa.array(self.ends, pa.int32()), pa.array(self.values).cast(kind.value_type))


def _from_arrow(array: Any) -> _Numbers | _Lists:
    """A column of a record batch, not copied."""
    if hasattr(array, "offsets"):
        return _Lists(array.values.to_numpy(), array.offsets.to_numpy())
    return _Numbers(array.to_numpy())


def _packed(name: str, values: list[Any]) -> _Numbers | _Lists:
    """One feature of a chunk. Raises ``TypeError`` where it is neither a number nor a flat list of numbers."""
    if not hasattr(values[0], "__len__"):
        return _Numbers(_compact(name, np.array(values)))
    flat = np.concatenate([np.atleast_1d(value) for value in values if len(value)] or [np.zeros(0, np.int8)])
    return _Lists(_compact(name, flat), np.cumsum([0, *map(len, values)], dtype=np.int32))


def _compact(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"feature '{name}' holds {array.dtype} of {array.ndim} dimensions, not a number or a flat list of numbers per row")
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    least, most = (int(array.min()), int(array.max())) if len(array) else (0, 0)
    return array.astype(np.promote_types(np.min_scalar_type(least), np.min_scalar_type(most)))
