"""An observer that does nothing changes nothing, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tunesmith.core.observer import Observer, Record, end_all
from tunesmith.core.setting import setting

RECORD = Record(step=1, epoch=0.5, loss=0.7, rate=1e-3, rows=16, tokens=200, padding=0.1, seconds=0.2)


def test_an_observer_that_overrides_nothing_lets_the_run_go_on() -> None:
    observer, run = Observer(), Any
    observer.begin(run)  # type: ignore[arg-type]
    assert observer.step(run, RECORD) is None  # type: ignore[arg-type]
    observer.evaluated(run, {"accuracy": 0.5})  # type: ignore[arg-type]
    observer.say("a line")
    observer.end(run, "all steps done")  # type: ignore[arg-type]


def test_a_record_without_more_has_no_parts_scores_or_checkpoint() -> None:
    assert (RECORD.parts, RECORD.scores, RECORD.save) == ({}, None, False)


def test_an_observer_remembers_like_a_strategy() -> None:
    @dataclass
    class Counting(Observer):
        every: int = setting(1, "how often")

        def step(self, run: Any, record: Record) -> str | None:
            self.last = record.step
            return "enough" if record.step >= self.every else None

    old, new = Counting(), Counting()
    assert old.step(None, RECORD) == "enough"
    new.recall(old.memory())
    assert new.memory() == {"last": 1}


def test_all_are_ended_and_the_first_error_is_raised() -> None:
    ended: list[str] = []

    class Ending(Observer):
        def end(self, run: Any, reason: str) -> None:
            ended.append(reason)
            raise OSError(f"disk {len(ended)}")

    run: Any = None
    with pytest.raises(OSError, match="disk 1"):
        end_all([Ending(), Ending()], run, "done")
    end_all([Ending()], run, "failed", raises=False)
    assert ended == ["done", "done", "failed"]
