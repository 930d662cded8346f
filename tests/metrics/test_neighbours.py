"""Ranks among all texts by hand, and what they come to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.metrics.neighbours import agreement, order, order_over, ranks, ranks_of, retrieval

UP, RIGHT, BETWEEN = [0.0, 1.0], [1.0, 0.0], [0.8, 0.6]


def test_a_positive_is_ranked_among_those_of_all_rows() -> None:
    keys = [("q", "p"), ("r", "s")]
    assert ranks([RIGHT, UP], [BETWEEN, UP], keys).tolist() == [1, 1]
    assert ranks([RIGHT, UP], [UP, BETWEEN], keys).tolist() == [2, 2]


def test_other_candidates_are_among_them() -> None:
    assert ranks([RIGHT], [BETWEEN], [("q", "p")], [("n", RIGHT)]).tolist() == [2]
    assert ranks([RIGHT], [BETWEEN], [("q", "p")], [("n", UP)]).tolist() == [1]


def test_equal_similarities_get_no_credit() -> None:
    assert ranks([UP] * 3, [UP] * 3, [("q", "p"), ("r", "s"), ("t", "u")]).tolist() == [3, 3, 3]


def test_other_positives_of_an_anchor_and_the_anchor_itself_are_passed_over() -> None:
    assert ranks([RIGHT, RIGHT, UP], [BETWEEN, RIGHT, RIGHT], [("q", "p"), ("q", "o"), ("r", "q")])[0] == 1


def test_a_candidate_counts_once() -> None:
    assert ranks([RIGHT, UP, UP], [BETWEEN, RIGHT, RIGHT], [("q", "p"), ("r", "s"), ("t", "s")], [("s", RIGHT)])[0] == 2


@given(st.integers(2, 6), st.integers(0, 99))
def test_ranks_are_those_of_a_sorted_list(rows: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(2, rows, 5))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    cosines = vectors[0] @ vectors[1].T
    expected = [1 + sorted(row, reverse=True).index(row[number]) for number, row in enumerate(cosines.tolist())]
    assert ranks(vectors[0], vectors[1], [(f"q{i}", f"p{i}") for i in range(rows)]).tolist() == expected


def test_means_of_ranks() -> None:
    assert retrieval([1, 2, 10, 20]) == {
        "mrr": pytest.approx((1 + 0.5 + 0.1 + 0.05) / 4),
        "recall@1": 0.25,
        "recall@5": 0.5,
        "recall@10": 0.75,
    }
    assert retrieval([]) == {}


def test_correlations() -> None:
    found = order([0.1, 0.2, 0.9], [1, 2, 3])
    assert found["spearman"] == pytest.approx(1.0)
    assert found["pearson"] == pytest.approx(np.corrcoef([0.1, 0.2, 0.9], [1, 2, 3])[0, 1])
    assert order([0.5, 0.5], [1, 2]) == {"spearman": 0.0, "pearson": 0.0}
    assert order([], []) == {}


def test_agreement_of_places() -> None:
    assert agreement([0.1, 0.2, 0.9], [1, 2, 3]) == [1.0, 1.0, 1.0]
    assert agreement([0.9, 0.2, 0.1], [1, 2, 3]) == [0.0, 1.0, 0.0]
    assert agreement([0.9], [1]) == [1.0]


def test_rows_of_texts_and_vectors_have_ranks() -> None:
    texts, vectors = [["q", "p", "n"], ["r", "s"]], [[RIGHT, BETWEEN, RIGHT], [UP, UP]]
    assert ranks([RIGHT, UP], [BETWEEN, UP], [("q", "p"), ("r", "s")], [("n", RIGHT)]).tolist() == [2, 1]
    assert ranks_of(texts, vectors).tolist() == [2, 1]


def test_an_order_is_known_of_any_rows() -> None:
    similar, scores = [0.1, 0.7, 0.2, 0.9], [1.0, 2.0, 3.0, 4.0]
    chosen = np.array([0, 1, 1, 3])
    assert order_over(similar, scores)(chosen) == order(np.array(similar)[chosen], np.array(scores)[chosen])["spearman"]
