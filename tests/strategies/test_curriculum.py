"""A curriculum: the pace of the paper, easy rows first, all rows in the end, and the same rows after a resume."""

from __future__ import annotations

import dataclasses
from itertools import repeat
from typing import Any

import pytest

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.strategies.curriculum import Curriculum, share_at

ROWS: list[dict[str, Any]] = [{"length": 5 + row, "row": row, "input_ids": [1]} for row in range(20)]


def fed(strategy: Curriculum, run: Run, steps: range) -> list[list[int]]:
    """The rows of each step."""
    run.train, found = ROWS, []
    for step in steps:
        run.clock = Clock(step, 20, 5)
        found.append([row["row"] for row in next(strategy.feed(repeat(ROWS[:4]), run))])
    return found


@pytest.mark.parametrize(
    ("pace", "shares"), [("linear", [0.2, 0.4, 0.6, 0.8]), ("root", [0.2, 0.5292, 0.7211, 0.8718]), ("step", [0.2, 0.2, 0.4667, 0.7333])]
)
def test_the_share_grows_as_the_paper_says(pace: str, shares: list[float]) -> None:
    assert [share_at(Clock(step, 20, 5), 8, 0.2, pace) for step in (0, 2, 4, 6)] == pytest.approx(shares, abs=1e-4)
    assert share_at(Clock(8, 20, 5), 8, 0.2, pace) == 1


def test_easy_rows_come_first_and_each_at_most_once_in_a_batch(run: Run) -> None:
    batches = fed(Curriculum(start=0.3, until=Span(10, "st"), pace="linear"), run, range(10))
    for step, rows in enumerate(batches):
        assert len(set(rows)) == 4
        assert max(rows) < round(20 * (0.3 + 0.07 * step))
    assert max(map(max, batches)) > 12


def test_the_order_can_be_turned_round(run: Run) -> None:
    assert min(fed(Curriculum(start=0.3, hardest_first=True), run, range(1))[0]) >= 14


def test_in_the_end_it_is_the_plain_order(run: Run) -> None:
    assert fed(Curriculum(until=Span(5, "st")), run, range(5, 8)) == [[0, 1, 2, 3]] * 3


def test_a_step_draws_the_same_rows_whatever_was_drawn_before(run: Run) -> None:
    strategy = Curriculum(start=0.5)
    assert fed(strategy, run, range(8))[5:] == fed(strategy, run, range(5, 8))
    assert fed(strategy, run, range(1)) != fed(strategy, dataclasses.replace(run, seed=run.seed + 1), range(1))


def test_a_number_that_is_not_there_is_refused(run: Run) -> None:
    run.train = ROWS
    with pytest.raises(InputError, match=r"no number 'perplexity'\. Known: length"):
        Curriculum(by="perplexity").begin(run)
