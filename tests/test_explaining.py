"""When the plan of a run changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.param import Rule
from tunesmith.explaining import CHANGES, MOMENTS, timeline


def firsts(total: int, *changes: int) -> list[int]:
    """The first steps, from 0, of the stretches that are found where the plan changes at some steps."""
    stack: Any = SimpleNamespace(plan=lambda run: {"weight": Rule(rate=float(sum(run.clock.step >= change for change in changes)))})
    run: Any = SimpleNamespace(clock=Clock(0, total, 10))
    stretches = timeline(stack, run)
    assert stretches[-1].last == total
    assert run.clock.step == 0
    return [stretch.first - 1 for stretch in stretches]


@pytest.mark.parametrize("changes", [(), (1,), (999,), (998, 999), (13,), (11, 12, 13, 14), (4, 501, 502)])
def test_every_change_is_found_to_the_step(changes: tuple[int, ...]) -> None:
    assert firsts(1000, *changes) == [0, *changes]


def test_a_run_of_one_step_has_one_stretch() -> None:
    assert firsts(1) == [0]


def test_a_plan_that_changes_with_each_step_is_not_told_step_by_step() -> None:
    assert len(firsts(20_000, *range(20_000))) <= 1 + CHANGES * MOMENTS
