"""Fairness: the numbers of fairlearn, a table worked by hand, intervals that cover, and what is too small to judge."""

from __future__ import annotations

import math

import fairlearn.metrics as reference
import numpy as np
import pytest

from tunesmith.metrics.fairness import Answers, Interval, answers, decisions, measures, rates, surely, widened, with_intervals


def given(predicted: np.ndarray, truth: np.ndarray, groups: np.ndarray, classes: int = 2) -> Answers:
    return answers(*decisions(predicted, truth, classes), predicted == truth, groups)


def drawn(seed: int, num_rows: int = 600, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions that are right more often in one group than in another."""
    draw = np.random.default_rng(seed)
    groups, truth = draw.integers(0, 3, num_rows), draw.integers(0, classes, num_rows)
    predicted = np.where(draw.random(num_rows) < 0.6 + 0.1 * groups, truth, draw.integers(0, classes, num_rows))
    return predicted, truth, groups


def table(cells: dict[tuple[int, int, int], int]) -> Answers:
    """Answers of two classes from counts by (group, truth, prediction)."""
    groups, truth, predicted = np.repeat(np.array(list(cells)), list(cells.values()), axis=0).T
    return given(predicted, truth, groups)


HAND = {(0, 1, 1): 30, (0, 1, 0): 10, (0, 0, 1): 5, (0, 0, 0): 15, (1, 1, 1): 10, (1, 1, 0): 10, (1, 0, 1): 4, (1, 0, 0): 16}


def test_a_table_worked_by_hand() -> None:
    found = rates(table(HAND))
    assert found.rows.tolist() == [60, 40]
    assert found.accuracy == pytest.approx([45 / 60, 26 / 40])
    assert found.selection[:, 0] == pytest.approx([35 / 60, 14 / 40])
    assert found.true_positive[:, 0] == pytest.approx([3 / 4, 1 / 2])
    assert found.false_positive[:, 0] == pytest.approx([1 / 4, 1 / 5])
    assert measures(found) == pytest.approx(
        {
            "accuracy_difference": 0.1,
            "worst_group_accuracy": 0.65,
            "demographic_parity_difference": 35 / 60 - 14 / 40,
            "demographic_parity_ratio": 14 / 40 * 60 / 35,
            "equal_opportunity_difference": 0.25,
            "equalised_odds_difference": 0.25,
        }
    )


@pytest.mark.parametrize("seed", range(4))
def test_two_classes_agree_with_fairlearn(seed: int) -> None:
    predicted, truth, groups = drawn(seed)
    found = measures(rates(given(predicted, truth, groups)))
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "equal_opportunity_difference"):
        assert found[name] == pytest.approx(getattr(reference, name)(truth, predicted, sensitive_features=groups))
    odds = reference.equalized_odds_difference(truth, predicted, sensitive_features=groups)
    assert found["equalised_odds_difference"] == pytest.approx(odds)


def test_of_several_classes_the_most_unlike_decides() -> None:
    predicted, truth, groups = drawn(5, classes=4)
    found = measures(rates(given(predicted, truth, groups, classes=4)))
    each = [reference.equalized_odds_difference(truth == label, predicted == label, sensitive_features=groups) for label in range(4)]
    parity = [reference.demographic_parity_difference(truth == c, predicted == c, sensitive_features=groups) for c in range(4)]
    assert found["equalised_odds_difference"] == pytest.approx(max(each))
    assert found["demographic_parity_difference"] == pytest.approx(max(parity))


def test_groups_and_cells_with_too_few_rows_are_not_compared() -> None:
    few = rates(table({**HAND, (2, 1, 0): 29}))  # nothing of it is right
    assert math.isnan(few.accuracy[2])
    assert measures(few) == measures(rates(table(HAND)))
    cells = rates(table({**HAND, (2, 1, 0): 9, (2, 0, 0): 40}))  # of 9 that have the label none gets it
    assert math.isnan(cells.true_positive[2, 0])
    assert cells.false_positive[2, 0] == 0
    assert measures(cells)["equal_opportunity_difference"] == pytest.approx(0.25)
    alone = measures(rates(table({cell: count for cell, count in HAND.items() if cell[0] == 0})))
    assert all(math.isnan(value) for value in alone.values())


def test_nobody_chosen_leaves_no_ratio() -> None:
    found = measures(rates(table({(0, 1, 0): 20, (0, 0, 0): 20, (1, 1, 0): 20, (1, 0, 0): 20})))
    assert found["demographic_parity_difference"] == 0
    assert math.isnan(found["demographic_parity_ratio"])


def test_rows_must_fit() -> None:
    with pytest.raises(ValueError, match="rows differ"):
        answers(*decisions([0, 1], [0, 1], 2), [1.0], [0, 0])


def test_intervals_are_those_of_resampled_rows_and_repeat() -> None:
    predicted, truth, groups = drawn(0)
    own = given(predicted, truth, groups)
    found, changes = with_intervals({"tuned": own}, resamples=400)
    assert changes == {}
    assert with_intervals({"tuned": own}, resamples=400)[0] == found
    draw = np.random.default_rng(1)
    by_rows = []
    for _ in range(400):
        rows = draw.integers(0, len(groups), len(groups))
        by_rows.append(measures(rates(given(predicted[rows], truth[rows], groups[rows])))["accuracy_difference"])
    interval = found["tuned"]["accuracy_difference"]
    assert (interval.low, interval.high) == pytest.approx(np.percentile(by_rows, [2.5, 97.5]).tolist(), abs=0.02)
    assert interval.low < interval.value < interval.high


def test_a_gap_that_tuning_widened_is_seen_and_one_that_it_left_is_not() -> None:
    draw = np.random.default_rng(3)
    groups, truth = draw.integers(0, 2, 2000), draw.integers(0, 2, 2000)
    before = np.where(draw.random(2000) < 0.7, truth, 1 - truth)
    after = np.where((groups == 0) | (draw.random(2000) < 0.7), truth, 1 - truth)  # one group is always right now
    _, changes = with_intervals({"base": given(before, truth, groups), "tuned": given(after, truth, groups)}, resamples=300)
    change = changes["accuracy_difference"]
    assert widened("accuracy_difference", change) == pytest.approx(0.3, abs=0.05)
    assert surely(change)
    same = with_intervals({"base": given(before, truth, groups), "tuned": given(before, truth, groups)}, resamples=50)[1]
    assert same["accuracy_difference"] == (0, 0, 0)
    assert not surely(same["accuracy_difference"])


def test_a_ratio_that_falls_is_a_gap_that_widens() -> None:
    assert widened("demographic_parity_ratio", Interval(-0.2, -0.3, -0.1)) == pytest.approx(0.2)
    assert widened("accuracy_difference", Interval(-0.2, -0.3, -0.1)) == pytest.approx(-0.2)
    assert not surely(Interval(math.nan, math.nan, math.nan))
