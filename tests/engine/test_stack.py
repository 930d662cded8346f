"""The stack: whose rows a step takes where several strategies have a say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.run import Run
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.engine.stack import Stack
from tunesmith.strategies.balance import Balance
from tunesmith.tasks.text_classification import TextClassification

ROWS = [{"label": row % 2, "row": row} for row in range(40)]


class Adds(Strategy):
    """Gives each step a row of elsewhere."""

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        return ([*rows, {"label": 0, "row": -1}] for rows in batches)


class Turns(Strategy):
    """Rewrites every row."""

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        return ([{**row, "turned": True} for row in rows] for rows in batches)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_what_chooses_rows_comes_before_what_adds_and_changes_them(order: tuple[int, ...]) -> None:
    task = TextClassification(kind="single", labels=["a", "b"])
    run = Run(None, task, None, Clock(0, 40, 10), None, 0, print, train=ROWS)  # type: ignore[arg-type]
    parts = [Balance(power=0.0), Adds(), Turns()]
    rows = next(Stack([parts[place] for place in order], task).feed(repeat(ROWS[:8]), run))
    assert len(rows) == 9
    assert [row["row"] for row in rows].count(-1) == 1
    adds_before_turning = order.index(1) > order.index(2)  # the first in a recipe is the outermost
    assert sum("turned" in row for row in rows) == (9 if adds_before_turning else 8)
