"""Measures of lifelong learning, by hand."""

from __future__ import annotations

import pytest

from tunesmith.metrics.lifelong import average_score, backward_transfer, forgetting, forward_transfer, lifelong

TABLE = [
    [0.9, 0.6, 0.5],
    [0.7, 0.8, 0.6],
    [0.8, 0.5, 0.9],
]
UNTRAINED = [0.5, 0.4, 0.5]


def test_measures_by_hand() -> None:
    assert average_score(TABLE) == pytest.approx((0.8 + 0.5 + 0.9) / 3)
    assert forgetting(TABLE) == pytest.approx(((0.9 - 0.8) + (0.8 - 0.5)) / 2)
    assert backward_transfer(TABLE) == pytest.approx(((0.8 - 0.9) + (0.5 - 0.8)) / 2)
    assert forward_transfer(TABLE, UNTRAINED) == pytest.approx(((0.6 - 0.4) + (0.6 - 0.5)) / 2)


def test_the_best_before_counts_where_a_task_was_better_then() -> None:
    """Chaudhry's measure takes the best of all earlier times, backward transfer the time when a task was learned."""
    table = [[0.6, 0.0, 0.0], [0.9, 0.7, 0.0], [0.5, 0.7, 0.8]]
    assert forgetting(table) == pytest.approx((0.9 - 0.5) / 2)
    assert backward_transfer(table) == pytest.approx((0.5 - 0.6) / 2)


def test_where_lower_is_better_forgetting_is_still_positive() -> None:
    losses = [[1.0, 3.0], [2.0, 1.0]]
    found = lifelong(losses, [4.0, 5.0], higher_is_better=False)
    assert found == {"average": 1.5, "forgetting": 1.0, "backward_transfer": -1.0, "forward_transfer": 2.0}
    assert found | {"average": -1.5} == lifelong([[-x for x in row] for row in losses], [-4.0, -5.0])


def test_one_task_forgets_nothing() -> None:
    assert lifelong([[0.7]], [0.5]) == {"average": 0.7, "forgetting": None, "backward_transfer": None, "forward_transfer": None}
