"""The log of a run where it cannot be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import DiskError
from tunesmith.engine.events import EventLog, read_events


class Full:
    """A file on a disk that is full."""

    def write(self, text: str) -> None:
        raise OSError(28, "No space left on device")

    close = flush = lambda self: None


def test_a_full_disk_is_told_once_with_the_name_of_the_file(tmp_path: Path) -> None:
    log, run = EventLog(tmp_path / "events.jsonl"), SimpleNamespace(clock=Clock(0, 3, 3))
    given: Any = run
    log.begin(given)
    file: Any = Full()
    assert log._file is not None
    log._file.close()
    log._file = file
    with pytest.raises(DiskError, match=r"events\.jsonl: it cannot be written \(No space left on device\)\. Free some space"):
        log.say("a line")
    log.end(given, "failed")


def test_what_was_said_may_hold_what_looks_like_the_end_of_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    for step in (0, 1):  # the second goes on where the first ended
        log, run = EventLog(file), SimpleNamespace(clock=Clock(step, 3, 3))
        given: Any = run
        log.begin(given)
        log.say(f"one\u2028two\u0085{step}")
        log.end(given, "done")
    assert [event.get("text") for event in read_events(file)] == ["one\u2028two\u00850", "one\u2028two\u00851", None]
    file.write_text(file.read_text(encoding="utf-8") + '{"event": "st', encoding="utf-8")
    assert len(read_events(file)) == 3
