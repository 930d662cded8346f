"""Word and character errors against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.metrics.speech import edits, error_rates, errors_over, spoken


@pytest.mark.parametrize(
    ("said", "written", "number"), [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("a", "a", 0)]
)
def test_edits(said: str, written: str, number: int) -> None:
    assert edits(said, written) == number


def test_rates_are_of_all_rows_together() -> None:
    """Four words said and one wrong, one said and one too many: 2 of 5, where the mean of the rows would be 0.625."""
    found = error_rates(["the cat sat down", "yes"], ["the hat sat down", "oh yes"])
    assert found == {"wer": pytest.approx(2 / 5), "cer": pytest.approx((1 + 3) / 19), "exact_match": 0.0}


def test_case_and_marks_are_not_heard() -> None:
    assert spoken("  It's 'fine', Mr. Smith — don’t! ") == "it's fine mr smith don't"
    assert error_rates(["Hello, World."], ["hello world"])["wer"] == 0
    assert error_rates(["Hello, World."], ["hello world"], plain=False)["wer"] == 1


def test_more_written_than_said() -> None:
    assert error_rates(["yes"], ["yes yes yes"])["wer"] == 2


def test_nothing_said() -> None:
    assert error_rates([], []) == {"wer": 0, "cer": 0, "exact_match": 0}


@pytest.mark.parametrize("metric", ["wer", "cer"])
def test_rates_are_known_of_any_rows(metric: str) -> None:
    said, written = ["the cat sat down", "yes", "So it is."], ["the hat sat down", "oh yes", "so is it"]
    over = errors_over(metric, said, written)
    for chosen in ([0, 1, 2], [2, 2, 1]):
        assert over(np.array(chosen)) == pytest.approx(error_rates([said[i] for i in chosen], [written[i] for i in chosen])[metric])
