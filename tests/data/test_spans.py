"""Spans by the scores of their ends: checked against all spans, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.spans import best_spans, choose, spans_of

TEXT = "the film was good"
ITEM: dict[str, Any] = {"first": 3, "starts": [0, 3, 8, 12], "ends": [3, 8, 12, 17], "offset": 100, "none": 0, "text": list(TEXT.encode())}


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=8),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_the_best_spans_are_the_best_of_all(scores: list[tuple[int, int]], longest: int, number: int) -> None:
    starts, ends = floats(*(start for start, _ in scores)), floats(*(end for _, end in scores))
    every = [
        (float(starts[first] + ends[last]), first, last)
        for first in range(len(scores))
        for last in range(first, min(first + longest, len(scores)))
    ]
    found = best_spans(starts, ends, longest, number)
    assert [score for score, *_ in found] == sorted((score for score, *_ in every), reverse=True)[:number]
    assert set(found) <= set(every)
    assert len(set(found)) == len(found)


def test_a_span_never_ends_before_it_starts() -> None:
    [(score, first, last)] = best_spans(floats(0, 0, 9), floats(9, 0, 0), 3, 1)
    assert (score, last - first) == (9.0, 0)


def test_no_tokens_no_spans() -> None:
    assert best_spans(floats(), floats(), 3, 2) == []
    empty = ITEM | {"starts": [], "ends": [], "text": [], "first": 0}
    assert spans_of(empty, floats(1.0), floats(0.5), 3, 2) == {"none": 1.5, "spans": []}


def test_spans_have_their_place_in_the_whole_context_without_blanks() -> None:
    starts, ends = floats(1, 0, 0, 0, 5, 0, 0), floats(2, 0, 0, 0, 0, 4, 0)
    found = spans_of(ITEM, starts, ends, 3, 1)
    assert found == {"none": 3.0, "spans": [[9.0, 104, 112, "film was"]]}
    assert TEXT[4:12] == "film was"


def test_characters_of_several_bytes_count_once() -> None:
    text = "好 film"
    item = ITEM | {"starts": [0, 2], "ends": [1, 6], "text": list(text.encode()), "offset": 0}
    found = spans_of(item, floats(0, 0, 0, 0, 1), floats(0, 0, 0, 0, 1), 2, 1)
    assert found["spans"] == [[2.0, 2, 6, "film"]]


def window(none: float, *spans: tuple[float, int, int, str]) -> dict[str, Any]:
    return {"none": none, "spans": [list(span) for span in spans]}


def test_the_best_span_of_all_windows_wins_and_a_place_counts_once() -> None:
    windows = [window(1.0, (3.0, 0, 4, "Rome"), (1.0, 9, 12, "Bob")), window(0.0, (5.0, 9, 12, "Bob"), (2.0, 20, 22, "Al"))]
    found = choose(windows, 2, None)
    assert (found["answer"], found["start"], found["end"]) == ("Bob", 9, 12)
    assert [other["answer"] for other in found["n_best"]] == ["Bob", "Rome"]
    assert found["confidence"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert "no_answer" not in found


def test_no_answer_is_as_likely_as_the_window_that_likes_it_least_says() -> None:
    windows = [window(9.0), window(2.5, (2.0, 0, 4, "Rome"))]
    found = choose(windows, 3, 0.0)
    assert (found["answer"], found["start"], found["no_answer"]) == ("", None, 0.5)
    assert found["confidence"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert choose(windows, 3, 0.6)["answer"] == "Rome"
    assert choose(windows, 3, 0.5)["answer"] == "Rome"  # not more than the threshold


def test_without_any_span_there_is_no_answer() -> None:
    assert choose([window(1.0)], 3, None) == {"answer": "", "start": None, "end": None, "confidence": 1.0, "n_best": []}
    assert choose([window(1.0)], 3, 5.0)["answer"] == ""
