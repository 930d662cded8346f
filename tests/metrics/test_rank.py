"""Ranks and curves, against scikit-learn and scipy, ties and absent classes among the cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from tunesmith.metrics.rank import average_precision, average_ranks, best_f1, label_ranking, roc_auc

# Few distinct scores make ties common; rows of (positive, score).
SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), min_size=1, max_size=60)


@given(st.lists(st.integers(-3, 3) | st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values))


@given(SCORED)
def test_the_area_is_that_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    if positive.all() or not positive.any():
        assert roc_auc(positive, scores) is None
    else:
        assert roc_auc(positive, scores) == pytest.approx(sk.roc_auc_score(positive, scores), abs=1e-12)


@given(SCORED)
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    if not positive.any():
        assert average_precision(positive, scores) is None
    else:
        assert average_precision(positive, scores) == pytest.approx(sk.average_precision_score(positive, scores), abs=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(2, 6), st.booleans())
def test_label_ranking_is_that_of_scikit_learn(seed: int, rows: int, labels: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, labels)) < generator.random()
    scores = generator.integers(0, 3, (rows, labels)) / 2 if ties else generator.random((rows, labels))
    expected = sk.label_ranking_average_precision_score(truth, scores)
    assert label_ranking(truth, scores) == pytest.approx(expected, abs=1e-12)


def test_ties_count_half_in_the_area() -> None:
    assert roc_auc([True, False], [0.5, 0.5]) == 0.5
    assert roc_auc([True, True, False, False], [0.9, 0.5, 0.5, 0.1]) == 0.875


def test_no_rows_define_nothing() -> None:
    assert roc_auc([], []) is None
    assert average_precision([], []) is None
    assert label_ranking(np.zeros((0, 3)), np.zeros((0, 3))) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=20))
def test_the_best_threshold_is_that_of_all_tried(rows: list[tuple[bool, int]]) -> None:
    positive, scores = zip(*rows, strict=True)
    found = best_f1(positive, scores)
    if not any(positive):
        assert found is None
        return
    assert found is not None
    tried = {value: sk.f1_score(positive, np.asarray(scores) >= value) for value in scores}
    assert found[0] == pytest.approx(max(tried.values()))
    assert tried[int(found[1])] == pytest.approx(found[0])
