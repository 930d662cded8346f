"""Paired intervals: exact values, seeds, coverage, and the general form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from tunesmith.metrics.interval import bootstrap, flips, over_sums, paired_bootstrap


def test_the_interval_is_that_of_scipy() -> None:
    generator = np.random.default_rng(1)
    base, tuned = generator.random(500) < 0.6, generator.random(500) < 0.7
    delta, low, high = paired_bootstrap(base, tuned, seed=2)
    expected = stats.bootstrap((tuned * 1.0 - base,), np.mean, n_resamples=20_000, method="percentile", rng=3).confidence_interval
    assert delta == pytest.approx(tuned.mean() - base.mean())
    assert (low, high) == pytest.approx(expected, abs=0.006)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    base, tuned = np.random.default_rng(0).random((2, 200))
    assert paired_bootstrap(base, tuned, seed=5) == paired_bootstrap(base, tuned, seed=5)
    assert paired_bootstrap(base, tuned, seed=5) != paired_bootstrap(base, tuned, seed=6)


def test_pairs_that_differ_alike_leave_no_doubt() -> None:
    base = np.random.default_rng(0).random(50)
    assert paired_bootstrap(base, base + 0.25) == pytest.approx((0.25, 0.25, 0.25))
    assert paired_bootstrap(base, base) == (0, 0, 0)


def test_the_interval_covers_the_true_difference_nineteen_times_of_twenty() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        base = generator.random(300) < 0.5
        tuned = np.where(generator.random(300) < 0.2, True, base)  # right on a fifth of the rows that the base gets wrong: +0.1
        _, low, high = paired_bootstrap(base, tuned, resamples=300, seed=trial)
        covered += low <= 0.1 <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_any_metric_of_rows_has_an_interval() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 300)
    base, tuned = (np.where(generator.random(300) < skill, truth, 1 - truth) for skill in (0.6, 0.9))

    def gain(rows: np.ndarray) -> float:
        return float(f1_score(truth[rows], tuned[rows]) - f1_score(truth[rows], base[rows]))

    delta, low, high = bootstrap(gain, 300, resamples=100)
    assert delta == gain(np.arange(300))
    assert 0 < low < delta < high < 1


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match=r"base has \(2,\), tuned has \(3,\)"):
        paired_bootstrap([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match="no rows"):
        paired_bootstrap([], [])


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_flips_add_up_to_the_difference(pairs: list[tuple[bool, bool]]) -> None:
    base, tuned = ([pair[i] for pair in pairs] for i in (0, 1))
    found = flips(base, tuned)
    assert found["fixed"] == pairs.count((False, True))
    assert found["broken"] == pairs.count((True, False))
    assert found["fixed"] - found["broken"] == sum(tuned) - sum(base)


def test_graded_rows_flip_by_which_is_better() -> None:
    assert flips([-0.5, -0.1, -0.3], [-0.2, -0.4, -0.3]) == {"fixed": 1, "broken": 1}


def test_sums_over_rows_make_a_metric_of_all() -> None:
    counts = [(1, 2, 2), (0, 1, 0), (2, 2, 3)]
    over = over_sums(counts, lambda sums: 2 * sums[0] / (sums[1] + sums[2]))
    assert over(np.array([0, 1, 2])) == pytest.approx(2 * 3 / 10)
    assert over(np.array([2, 2, 1])) == pytest.approx(2 * 4 / 11)
