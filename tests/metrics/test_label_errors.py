"""Confident learning on a table that was worked out by hand."""

from __future__ import annotations

import numpy as np

from tunesmith.metrics.label_errors import confident, suspected, thresholds

LABELS = np.array([0, 0, 0, 1, 1])
TABLE = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5]])  # thresholds 0.6 and 0.6


def test_thresholds_are_the_mean_sureness_of_each_label() -> None:
    np.testing.assert_allclose(thresholds(TABLE, LABELS), [0.6, 0.6])
    assert thresholds(TABLE, LABELS * 0)[1] == np.inf


def test_a_row_is_counted_where_it_reaches_a_threshold() -> None:
    assert confident(TABLE, LABELS).tolist() == [0, 0, 1, 1, -1]
    assert suspected(TABLE, LABELS).tolist() == [-1, -1, 1, -1, -1]


def test_of_two_labels_that_are_reached_the_likelier_counts() -> None:
    table = np.array([[0.6, 0.4], [0.2, 0.8], [0.55, 0.45], [0.7, 0.3]])  # thresholds 0.4 and 0.375
    assert confident(table, np.array([0, 0, 1, 1])).tolist() == [0, 1, 0, 0]
