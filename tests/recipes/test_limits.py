"""Memory and time as people write them."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.recipes.limits import bytes_of, seconds_of


@pytest.mark.parametrize(("text", "number"), [("8GB", 8_000_000_000), ("1.5 gib", 1_610_612_736), ("500MB", 500_000_000)])
def test_memory(text: str, number: int) -> None:
    assert bytes_of(text) == number


@pytest.mark.parametrize(("text", "number"), [("90s", 90), ("10min", 600), ("1.5 h", 5400), ("1d", 86_400)])
def test_time(text: str, number: float) -> None:
    assert seconds_of(text) == number


@pytest.mark.parametrize("text", ["8", "GB", "8 apples", "-8GB", "0GB", "10min"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(InputError, match="no amount of memory"):
        bytes_of(text)


def test_what_is_no_time() -> None:
    with pytest.raises(InputError, match="'soon' is no length of time"):
        seconds_of("soon")
