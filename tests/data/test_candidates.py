"""Queries with candidates in each of three forms, and what a newcomer gets wrong, in a line each."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.candidates import Candidates, Learned, by_query, candidates_of, differ, learn_candidates


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"text": "a", "relevance": "2"}, Candidates("pointwise", ["a"], [2.0])),
        ({"text": "a", "relevance": True}, Candidates("pointwise", ["a"], [1.0])),
        ({"text": "a"}, Candidates("pointwise", ["a"], [])),
        ({"positive": "a", "negative": "b"}, Candidates("pairwise", ["a", "b"], [1.0, 0.0])),
        ({"positive": ["a", "b"], "negative": ["c"]}, Candidates("pairwise", ["a", "b", "c"], [1.0, 1.0, 0.0])),
        ({"candidates": ["a", "b"], "relevance": [0, 3]}, Candidates("listwise", ["a", "b"], [0.0, 3.0])),
        ({"candidates": [{"text": "a", "relevance": 0}, {"text": "b", "label": 1}]}, Candidates("listwise", ["a", "b"], [0.0, 1.0])),
        ({"candidates": ["a", "b"]}, Candidates("listwise", ["a", "b"], [])),
        ({"candidates": ["a", "b"], "text": "c", "relevance": [1, 0]}, Candidates("listwise", ["a", "b"], [1.0, 0.0])),
    ],
)
def test_candidates_in_every_form(row: dict[str, Any], found: Candidates) -> None:
    assert candidates_of(row) == found


@pytest.mark.parametrize(
    ("row", "message", "column"),
    [
        ({}, "there is nothing to rank", "text"),
        ({"positive": "a"}, "there is nothing to rank", "positive"),
        ({"positive": "a", "negative": None}, "there is nothing to rank", "positive"),
        ({"candidates": []}, "the list of candidates is empty", "candidates"),
        ({"candidates": "a, b", "relevance": [1, 0]}, "'a, b' is no list of texts", "candidates"),
        ({"candidates": ["a", "b"], "relevance": [1]}, "2 candidates have 1 relevances", "relevance"),
        ({"candidates": ["a", "b"], "relevance": 1}, "2 candidates have 1 relevances", "relevance"),
        ({"candidates": ["a", ""], "relevance": [1, 0]}, "the text is empty", "candidates"),
        ({"positive": "a", "negative": ["b", "a"]}, "'a' is both positive and negative", "negative"),
        ({"text": "a", "relevance": None}, "the relevance is empty", "relevance"),
        ({"text": "a", "relevance": -1}, "the relevance is '-1'", "relevance"),
        ({"text": "a", "relevance": "high"}, "the relevance is 'high'", "relevance"),
        ({"text": "a", "relevance": float("nan")}, "the relevance is 'nan'", "relevance"),
        ({"candidates": [{"text": "a", "relevance": 1}, {"text": "b"}]}, "the relevance is empty", "relevance"),
        ({"candidates": [{"body": "a"}]}, "the text is empty", "candidates"),
    ],
)
def test_mistakes(row: dict[str, Any], message: str, column: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        candidates_of(row)
    assert caught.value.column == column
    assert caught.value.remedy


def test_training_rows_are_told_about() -> None:
    rows = [
        {"query": "q", "candidates": ["a", "b"], "relevance": [0, 3]},
        {"query": "r", "candidates": ["a", "b", "c", "d"], "relevance": [0, 1, 0, 0]},
        {"query": "q", "candidates": [], "relevance": []},
    ]
    told = ["task: 2 queries with 3.0 candidates each, relevance 0 to 3"]
    assert learn_candidates(rows) == Learned({"listwise"}, 4, 3.0, told)


def test_queries_that_nothing_can_be_told_of_are_counted() -> None:
    rows = [
        {"query": query, "candidates": ["a", "b"], "relevance": grades} for query, grades in (("q", [0, 1]), ("r", [0, 0]), ("s", [1, 1]))
    ]
    assert learn_candidates(rows).lines[1:] == [
        "task: 1 queries have no relevant candidate, and 1 no other: a ranking cannot be learned from them, nor judged"
    ]


def test_data_that_nothing_can_be_learned_from_are_refused() -> None:
    with pytest.raises(InputError, match="no training row says how relevant"):
        learn_candidates([{"query": "q", "candidates": ["a", "b"]}])
    with pytest.raises(InputError, match="no query has two candidates of different relevance"):
        learn_candidates([{"query": "q", "text": "a", "relevance": 1}, {"query": "r", "text": "b", "relevance": 0}])


def test_relevances_of_a_query_may_differ_between_its_rows() -> None:
    assert differ([("q", [1.0]), ("r", [1.0]), ("q", [0.0])])
    assert not differ([("q", [1.0]), ("r", [0.0])])
    assert not differ([])


def test_candidates_of_a_query_come_together_from_all_its_rows() -> None:
    rows = [
        {"query": "q", "texts": ["a", "b"], "relevances": [1.0, 0.0]},
        {"query": "r", "texts": ["a"], "relevances": [0.0]},
        {"query": "q", "texts": ["c", "b"], "relevances": [0.0, 2.0]},
    ]
    relevances, scores, numbers = by_query(rows, [[0.1, 0.2], [0.3], [0.4, 0.5]])
    assert relevances == [[1.0, 2.0, 0.0], [0.0]]
    assert scores == [[0.1, 0.5, 0.4], [0.3]]
    assert numbers == [0, 1, 0]
