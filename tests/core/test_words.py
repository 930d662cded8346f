"""Numbers in sentences."""

from __future__ import annotations

import pytest

from tunesmith.core.words import counted, duration, size


def test_one_is_no_plural() -> None:
    assert [counted(number, "step") for number in (0, 1, 1000)] == ["0 steps", "1 step", "1,000 steps"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 MB"), (119_900_000, "120 MB"), (1.44e9, "1.4 GB")])
def test_size(number: float, text: str) -> None:
    assert size(number) == text
