"""How varied texts are, worked out by hand."""

from __future__ import annotations

import pytest

from tunesmith.metrics.diversity import distinct, repetition


def test_distinct_runs() -> None:
    texts = ["the cat the cat", "The dog."]
    assert distinct(texts, 1) == pytest.approx(3 / 6)
    assert distinct(texts, 2) == pytest.approx(3 / 4)
    assert distinct(["很好很好"], 1) == pytest.approx(2 / 4)
    assert distinct(["one"], 2) == distinct([], 1) == 0.0


def test_repetition_is_within_a_text() -> None:
    assert repetition(["a b c d e f", "a b c d e f"]) == 0.0
    assert repetition(["a b c d a b c d"]) == pytest.approx(1 / 5)
    assert repetition(["a " * 7, "a b c d"]) == pytest.approx((3 / 4) / 2)
    assert repetition(["too short"]) == 0.0
