"""One column of rows: an Arrow array, or JSON text where Arrow has no single type for the values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

_TYPES = {str: pa.large_string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


@dataclass(frozen=True)
class Values:
    """The values of one column, kept compactly and given back as they came; what is missing is ``None``.

    ``array``   the values, or JSON texts of them
    ``nested``  whether ``array`` holds JSON texts: lists, dictionaries, or values of several types
    """

    array: pa.ChunkedArray
    nested: bool = False

    @classmethod
    def of(cls, values: Sequence[Any]) -> Values:
        """Keep Python values. Raises ``TypeError`` or ``UnicodeEncodeError`` for a value that is neither text, number nor JSON."""
        kinds = set(map(type, values)) - {type(None)}
        if not kinds:
            return cls(pa.chunked_array([pa.nulls(len(values))]))
        if len(kinds) == 1 and (kind := _TYPES.get(kinds.pop())) is not None:
            with suppress(OverflowError):  # an integer of more than 64 bits is kept as JSON
                return cls(pa.chunked_array([pa.array(values, kind)]))
        return cls._as_json(values)

    @classmethod
    def of_arrow(cls, array: pa.ChunkedArray) -> Values:
        """Keep an Arrow column. Texts get 64-bit offsets, so that no operation on them can overflow; dictionaries are written out."""
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        texts = pa.types.is_string(array.type) or pa.types.is_string_view(array.type)
        return cls(array.cast(pa.large_string()) if texts else array)

    @classmethod
    def join(cls, parts: Sequence[Values]) -> Values:
        """Columns one after the other. Where their types differ, all of them become JSON."""
        kinds = {(part.array.type, part.nested) for part in parts if not pa.types.is_null(part.array.type)}
        if len(kinds) > 1:
            texts = [part if part.nested else cls._as_json(part.list()) for part in parts]
            return cls(_chained([part.array for part in texts]), nested=True)
        if not kinds:
            return cls(_chained([part.array for part in parts]))
        ((kind, nested),) = kinds
        return cls(_chained([part.array.cast(kind) for part in parts]), nested)

    @classmethod
    def _as_json(cls, values: Sequence[Any]) -> Values:
        return cls(pa.chunked_array([pa.array([_json(value) for value in values], pa.large_string())]), nested=True)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Any:
        value = self.array[index].as_py()
        return json.loads(value) if self.nested and value is not None else value

    def list(self, start: int = 0, length: int | None = None) -> list[Any]:
        """The values from ``start`` on, as Python values."""
        values: list[Any] = self.array.slice(start, length).to_pylist()
        return [None if value is None else json.loads(value) for value in values] if self.nested else values

    def take(self, indices: np.ndarray) -> Values:
        """The values at ``indices``, in that order."""
        return Values(self.array.take(pa.array(indices)), self.nested)


def _chained(arrays: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for array in arrays for chunk in array.chunks], type=arrays[0].type)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy and torch, as Python values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__} is neither text, number, list nor dictionary")
