"""What is found among many, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.metrics.detection import detection, found_over


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


def test_it_is_known_of_any_texts() -> None:
    truths, chances = [[1, 0, 0], [1, 1], []], [[0.9, 0.6, 0.1], [0.7, 0.2], []]
    over = found_over(truths, chances)
    for chosen in ([0, 1, 2], [1, 1, 0]):
        expected = detection([one for i in chosen for one in truths[i]], [one for i in chosen for one in chances[i]])["f1"]
        assert over(np.array(chosen)) == pytest.approx(expected)
