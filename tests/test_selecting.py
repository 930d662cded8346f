"""Folds by which rows judge each other, and how unsure a model is of rows of tags."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import InputError
from tunesmith.selecting import folds_of, unsure
from tunesmith.tasks.token_classification import TokenClassification


def test_the_same_text_is_in_one_fold_and_labels_are_spread() -> None:
    keys = np.array([5, 1, 9, 5, 7, 3, 8, 2], np.uint64)
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    folds = folds_of(keys, labels, 2)
    assert folds[0] == folds[3]
    assert sorted(folds[[0, 1, 2, 4]].tolist()) == [0, 0, 1, 1]
    assert sorted(folds[5:].tolist()) in ([0, 0, 1], [0, 1, 1])
    assert folds_of(keys, labels, 2).tolist() == folds.tolist()


def test_rows_of_tags_are_unsure_where_their_tags_are_on_average() -> None:
    rows = [{"text": "a b", "starts": [0, 2], "ends": [1, 3]}] * 2
    sure: list[dict[str, Any]] = [{"tags": ["x", "x"], "confidences": [0.9, 0.7]}, {"tags": ["x", "x"], "confidences": [0.6, 0.5]}]
    tuned: Any = SimpleNamespace(task=TokenClassification(scheme="none", labels=["x"]), predictions=lambda *_: sure, forward=lambda: None)
    np.testing.assert_allclose(unsure(tuned, rows, "uncertainty"), [0.2, 0.45])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no probabilities of labels"):
        unsure(tuned, rows, "margin")  # type: ignore[arg-type]
