"""Numbers in sentences."""

from __future__ import annotations

from tunesmith.core.words import counted


def test_one_is_no_plural() -> None:
    assert [counted(number, "step") for number in (0, 1, 1000)] == ["0 steps", "1 step", "1,000 steps"]
