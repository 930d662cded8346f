"""How often and by how much one answer wins."""

from __future__ import annotations

import pytest

from tunesmith.metrics.preference import gap, preferences, won


def test_a_tie_is_half_won() -> None:
    assert [won(gap) for gap in (0.1, 0.0, -3.0)] == [1.0, 0.5, 0.0]


def test_a_gap_is_what_the_chosen_answer_has_more() -> None:
    assert gap({"chosen": -1.0, "rejected": -3.0, "reward": 9.0}) == 2.0


def test_shares_and_means() -> None:
    assert preferences([2.0, -1.0, 0.0, 3.0]) == {"accuracy": pytest.approx(2.5 / 4), "margin": pytest.approx(1.0)}
    assert preferences([1.0], "reward_") == {"reward_accuracy": 1.0, "reward_margin": 1.0}
    assert preferences([]) == {"accuracy": 0.0, "margin": 0.0}
