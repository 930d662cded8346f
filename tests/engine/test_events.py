"""The log of a run where it cannot be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import DiskError
from tunesmith.engine.events import EventLog


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
