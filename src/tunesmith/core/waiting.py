"""Work that may take long says how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tunesmith.core.words import Say, duration

SILENT = 10.0  # seconds that pass without a word; twice as many each time

T = TypeVar("T")


def waited(parts: Sequence[T], say: Say | None, what: str) -> Iterator[T]:
    """Each of ``parts``, which take about equally long; ``say`` is told how far it is after 10 seconds, 20 more, 40 more, and so on."""
    begun, silent, due = time.monotonic(), SILENT, SILENT
    for done, part in enumerate(parts):
        spent = time.monotonic() - begun
        if say and done and spent >= due:
            silent *= 2
            due = spent + silent
            say(f"{what}: {done / len(parts):.0%} done, about {duration(spent * (len(parts) / done - 1))} to go")
        yield part
