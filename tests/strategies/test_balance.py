"""Balance: how often classes come, and that a step repeats."""

from __future__ import annotations

from collections import Counter
from itertools import repeat

import numpy as np
import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.data.groups import KINDS
from tunesmith.strategies.balance import Balance, chances

ROWS = [{"label": int(row >= 90), "row": row} for row in range(100)]


@pytest.mark.parametrize(("power", "rates"), [(1.0, [0.9, 0.1]), (0.5, [0.75, 0.25]), (0.0, [0.5, 0.5])])
def test_classes_come_by_a_power_of_their_size(power: float, rates: list[float]) -> None:
    np.testing.assert_allclose(chances(np.array([0] * 90 + [1] * 10), power), rates)


def test_a_class_without_rows_never_comes() -> None:
    np.testing.assert_allclose(chances(np.array([0, 2, 2, 2]), 0.0), [0.5, 0, 0.5])


def fed(run: Run, step: int, power: float) -> list[int]:
    run.train, run.clock = ROWS, run.clock.at(step)
    return [row["row"] for row in next(Balance(power).feed(repeat(ROWS[:20]), run))]


def test_rows_are_drawn_accordingly_and_a_step_repeats(run: Run) -> None:
    drawn = [row for step in range(100) for row in fed(run, step, 0.0)]
    assert np.mean([row >= 90 for row in drawn]) == pytest.approx(0.5, abs=0.03)
    assert len(Counter(drawn)) == 100
    assert fed(run, 7, 0.0) == drawn[140:160]
    assert fed(run, 7, 1.0) == list(range(20))


GROUPED = [{"label": int(row >= 60), "group": int(row % 60 >= 45), "row": row} for row in range(100)]  # 45 and 15, 40 and 0


@pytest.mark.parametrize(("by", "sizes"), [("class", [60, 40]), ("group", [85, 15]), ("cell", [45, 15, 40, 0])])
def test_groups_and_cells_are_evened_out_too(by: str, sizes: list[int], run: Run, said: list[str]) -> None:
    np.testing.assert_array_equal(np.bincount(KINDS[by](GROUPED, "balance"), minlength=len(sizes)), sizes)
    run.train = GROUPED
    strategy = Balance(0.0, by)
    strategy.begin(run)
    drawn = [row["row"] for step in range(100) for row in next(strategy.feed(repeat(GROUPED[:20]), at(run, step)))]
    counts = np.bincount(KINDS[by]([GROUPED[row] for row in drawn], "balance"), minlength=len(sizes))
    there = np.array(sizes) > 0
    np.testing.assert_allclose(counts / counts.sum(), there / there.sum(), atol=0.04)
    rarest, kind = min(size for size in sizes if size), {"class": "classes", "group": "groups", "cell": "cells of class and group"}[by]
    assert said == [f"balance: the rarest of {there.sum()} {kind} is {1 / there.sum():.1%} of what is drawn, not {rarest:.1f}%"]


def at(run: Run, step: int) -> Run:
    run.clock = run.clock.at(step)
    return run


def test_rows_without_groups_are_refused_with_what_to_write(run: Run) -> None:
    run.train = ROWS
    for by in ("group", "cell"):
        with pytest.raises(InputError, match=r"no group each. Name the column that holds it: data\.columns: \{group: COLUMN\}"):
            Balance(0.5, by).begin(run)


def test_what_comes_is_told_and_rows_without_classes_are_refused(run: Run, said: list[str]) -> None:
    run.train = ROWS
    Balance(0.5).begin(run)
    assert said == ["balance: the rarest of 2 classes is 25.0% of what is drawn, not 10.0%"]
    run.train = [{"label": 0.5, "row": 0}]
    with pytest.raises(InputError, match="no class each"):
        Balance(0.5).begin(run)
