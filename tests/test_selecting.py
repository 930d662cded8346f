"""Folds by which rows judge each other."""

from __future__ import annotations

import numpy as np

from tunesmith.selecting import folds_of


def test_the_same_text_is_in_one_fold_and_labels_are_spread() -> None:
    keys = np.array([5, 1, 9, 5, 7, 3, 8, 2], np.uint64)
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    folds = folds_of(keys, labels, 2)
    assert folds[0] == folds[3]
    assert sorted(folds[[0, 1, 2, 4]].tolist()) == [0, 0, 1, 1]
    assert sorted(folds[5:].tolist()) in ([0, 0, 1], [0, 1, 1])
    assert folds_of(keys, labels, 2).tolist() == folds.tolist()
