"""The rows that strategies against forgetting look back at: of earlier stages, or wherever a recipe says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Protocol

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.extra import extra

AUTO = "auto"


class Left(Protocol):
    """What earlier stages left: the rows of each."""

    @property
    def rows(self) -> Any: ...


class InTurn(Sequence[Row]):
    """The rows of several parts, one after the other, each decoded when it is asked for."""

    def __init__(self, parts: Sequence[Encoded]) -> None:
        self._parts, self._starts = parts, [0, *accumulate(map(len, parts))]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        part = bisect_right(self._starts, index) - 1
        return self._parts[part][index - self._starts[part]]


def past_items(spec: Any, left: Left | None, task: Task, tokenizer: Any) -> list[Encoded]:
    """The rows of the past, encoded by ``task``, the oldest part first; no part in the first of several stages.

    ``spec`` is auto, which means what earlier stages ``left``, or what ``extra`` takes. Raises ``InputError`` for auto in a run of one.
    """
    if not (isinstance(spec, str) and spec == AUTO):
        return [extra(spec, task, tokenizer)]
    if left is None:
        raise InputError(
            Problem("past: auto means the earlier stages, and there are none", "Name a file or a run under past, or use stages")
        )
    return [encode(rows, task, tokenizer) for rows in left.rows]


def no_past(strategy: str, strength: float) -> str:
    """What to say where nothing is held on to."""
    return f"{strategy}: " + ("there is no past in the first stage, so nothing is done yet" if strength else "at 0 nothing is done")
