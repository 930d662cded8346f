"""Rankings by hand, and beside scikit-learn."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from tunesmith.metrics.retrieval import average_precision, by_score, ndcg, ranking, recall, reciprocal_rank

RANKED = [0, 2, 0, 1]  # relevances in the order of the scores


def test_by_hand() -> None:
    gain, best = 2 / log2(3) + 1 / log2(5), 2 / log2(2) + 1 / log2(3)
    assert ndcg(RANKED) == pytest.approx(gain / best)
    assert ndcg(RANKED, 2) == pytest.approx(2 / log2(3) / best)
    assert reciprocal_rank(RANKED) == 0.5
    assert average_precision(RANKED) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert recall(RANKED, 1) == 0.0
    assert recall(RANKED, 2) == 0.5
    assert recall(RANKED, 9) == 1.0


def test_where_nothing_is_relevant() -> None:
    assert [ndcg([0, 0]), reciprocal_rank([0, 0]), average_precision([0, 0]), recall([0, 0], 1)] == [0.0] * 4


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), min_size=2, max_size=12, unique_by=lambda pair: pair[1]))
def test_as_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    relevances, scores = np.array([r for r, _ in pairs]), np.array([s for _, s in pairs], float)
    ranked = by_score(relevances, scores)
    if relevances.any():
        assert ndcg(ranked, 10) == pytest.approx(ndcg_score([relevances], [scores], k=10))
        assert average_precision(ranked) == pytest.approx(average_precision_score(relevances > 0, scores))


def test_who_cannot_tell_two_apart_gets_no_credit() -> None:
    assert by_score([1, 0, 1], [5, 5, 9]).tolist() == [1, 0, 1]
    assert ranking([[0, 1]], [[3.0, 3.0]])["mrr"] == 0.5


def test_queries_that_no_ranking_can_tell_apart_are_left_out() -> None:
    found = ranking([[0, 1], [0, 0], [1, 1], []], [[0.1, 0.9], [0.2, 0.3], [0.2, 0.3], []])
    assert found["queries"] == 1
    assert found["ndcg@10"] == found["mrr"] == found["map"] == found["recall@1"] == 1.0
    assert ranking([[0, 0]], [[1.0, 2.0]]) == {"queries": 0}
