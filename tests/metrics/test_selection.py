"""How unsure, and how far apart, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.metrics.selection import entropy, margin, several, spread, unsureness

TABLE = np.array([[0.6, 0.4, 0.0], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])


def test_three_ways_to_be_unsure() -> None:
    np.testing.assert_allclose(unsureness(TABLE), [0.4, 0.5, 0.0])
    np.testing.assert_allclose(margin(TABLE), [-0.2, -0.25, -1.0])
    np.testing.assert_allclose(entropy(TABLE), [0.6730117, 1.0397208, 0.0], atol=1e-6)


def test_the_least_sure_of_several_labels_counts() -> None:
    np.testing.assert_allclose(several(np.array([[0.9, 0.45, 0.1], [0.01, 0.99, 0.98]])), [[0.45, 0.55], [0.98, 0.02]])


def test_the_farthest_row_comes_next() -> None:
    points = np.array([[0.0], [1.0], [10.0], [4.0], [4.5]])
    assert spread(points, 3) == ([3, 2, 0], [pytest.approx(0.1), 6.0, 4.0])
    assert spread(points, 2, known=np.array([[10.0]])) == ([0, 4], [10.0, 4.5])
    assert sorted(spread(points, 9)[0]) == [0, 1, 2, 3, 4]


def test_the_radius_is_at_most_twice_the_best() -> None:
    """The guarantee of the greedy algorithm for k centres, against all choices."""
    from itertools import combinations

    points = np.random.default_rng(0).normal(size=(9, 2))

    def radius(centres: list[int]) -> float:
        return float(np.linalg.norm(points[:, None] - points[centres][None], axis=2).min(axis=1).max())

    best = min(radius(list(some)) for some in combinations(range(9), 3))
    assert best <= radius(spread(points, 3)[0]) <= 2 * best
