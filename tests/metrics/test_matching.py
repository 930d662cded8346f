"""Ranks and recall of pairs against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.metrics.matching import both_ways, closest, matches

IMAGES = np.eye(3)
TEXTS = np.array([[0.8, 0.6, 0.0], [0.6, 0.8, 0.0], [0.8, 0.0, 0.6]])


def test_ranks_both_ways() -> None:
    """The third image likes its own text best, which is nearer to the first image; the first image has two texts as near."""
    found = matches(IMAGES, TEXTS, [("a", "one"), ("b", "two"), ("c", "three")])
    assert [match["similarity"] for match in found] == pytest.approx([0.8, 0.8, 0.6])
    assert [match["text_rank"] for match in found] == [2, 1, 1]
    assert [match["image_rank"] for match in found] == [1, 1, 2]
    assert found[1]["texts"] == ["two", "one", "three"]
    scores = both_ways(found)
    assert scores["recall@1"] == pytest.approx(2 / 3)
    assert scores["image_to_text_recall@1"] == pytest.approx(2 / 3)
    assert scores["recall@5"] == 1
    assert scores["mrr"] == pytest.approx((0.5 + 1 + 1 + 1 + 1 + 0.5) / 6)


def test_what_belongs_to_the_same_image_is_passed_over() -> None:
    found = matches(IMAGES[[0, 1, 0]], TEXTS, [("a", "one"), ("b", "two"), ("a", "three")])
    assert [match["text_rank"] for match in found] == [1, 1, 1]


def test_a_text_counts_once() -> None:
    assert closest(IMAGES[:1], ["one", "two", "one"], TEXTS) == [["one", "two"]]
    assert closest(IMAGES[:1], ["one", "two", "three"], TEXTS, most=1) == [["one"]]


def test_nothing_to_match() -> None:
    assert both_ways([]) == {}
