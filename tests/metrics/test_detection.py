"""What is found among many, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from tunesmith.metrics.detection import detection


def test_precision_recall_and_f1_are_of_what_is_to_be_found() -> None:
    scores = detection([1, 1, 0, 0, 0, 0, 0, 0], [0.9, 0.2, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.5, 0.5, 0.5)
    assert scores["accuracy"] == 0.75
    assert scores["auc"] == pytest.approx(11 / 12)
    assert (scores["share"], scores["items"]) == (0.25, 8)


def test_nothing_found_is_zero_and_nothing_asked_is_nothing() -> None:
    assert detection([1, 0], [0.1, 0.2])["f1"] == 0.0
    assert "auc" not in detection([0, 0], [0.1, 0.2])
    assert detection([], []) == {}
