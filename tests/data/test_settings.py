"""The data part of a recipe."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.settings import share


@pytest.mark.parametrize(("value", "number"), [("10%", 0.1), (" 2.5 % ", 0.025), (0.5, 0.5), ("a.csv", None), (None, None), (True, None)])
def test_a_share_is_a_percentage_or_a_fraction(value: object, number: float | None) -> None:
    assert share(value, "test") == number


@pytest.mark.parametrize("value", ["0%", "100%", "120%", 0, 1, 500, -0.1])
def test_a_share_is_neither_nothing_nor_all(value: object) -> None:
    with pytest.raises(InputError, match=f"data.test: '{value}' is not a share of the training rows"):
        share(value, "test")
