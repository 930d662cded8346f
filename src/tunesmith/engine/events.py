"""``events.jsonl``: what happened in a run, a line each; times stand apart so that two equal runs write equal events."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tunesmith.core.errors import DiskError, Problem
from tunesmith.core.json_lines import read_lines
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.engine import distributed


@dataclass
class EventLog(Observer):
    """Writes events of the first rank. After a resume, events later than the checkpoint are cut: they will happen again.

    A line is ``{"event": step | evaluation | say, "step": ..., ..., "time": {...}}``; everything under ``time`` differs between runs.
    What is said after a step ended belongs to the next one: a run that resumes where that step ended will say it again.
    """

    path: Path
    every: int = 10

    def __post_init__(self) -> None:
        self._file: TextIO | None = None
        self._step, self._early = 1, list[str]()

    def begin(self, run: Run) -> None:
        self._step = run.clock.step + 1
        self._seconds, self._steps, self._tokens = 0.0, 0, 0
        if distributed.first():
            kept = [line for line in whole_lines(self.path) if still_true(json.loads(line), run.clock.step)] if run.clock.step else []
            self.path.write_text("".join(kept), encoding="utf-8")
            self._file = self.path.open("a", encoding="utf-8")
            for message in self._early if not run.clock.step else []:
                self.write({"event": "say", "step": 0, "text": message}, {})

    def step(self, run: Run, record: Record) -> str | None:
        self._step = record.step + 1
        self._seconds, self._steps, self._tokens = self._seconds + record.seconds, self._steps + 1, self._tokens + record.tokens
        if record.step % self.every == 0 or record.step == 1 or run.clock.finished:
            numbers = {"loss": record.loss, "rate": record.rate, "padding": round(record.padding, 4), "rows": record.rows}
            clock = {"seconds": round(self._seconds, 3), "tokens_per_second": round(self._tokens / max(self._seconds, 1e-9), 1)}
            parts = {"parts": dict(record.parts)} if record.parts else {}
            self.write({"event": "step", "step": record.step, "epoch": round(record.epoch, 4), **numbers, **parts}, clock)
            self._seconds, self._steps, self._tokens = 0.0, 0, 0
        if record.save and self._file is not None:
            self._file.flush()
        return None

    def evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        written = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        self.write({"event": "evaluation", "step": run.clock.step, "epoch": round(run.clock.epoch, 4), "scores": written}, {})

    def say(self, message: str) -> None:
        if self._file is None:
            self._early.append(message)
        self.write({"event": "say", "step": self._step, "text": message}, {})

    def end(self, run: Run, reason: str) -> None:
        self.write({"event": "end", "step": run.clock.step, "reason": reason, "samples": run.clock.samples, "tokens": run.clock.tokens}, {})
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, event: Mapping[str, Any], clock: Mapping[str, Any]) -> None:
        """Add a line; the time of day is added under ``time``. Raises ``DiskError``, and writes no more then."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps({**event, "time": {"at": round(time.time(), 3), **clock}}, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            with suppress(OSError):
                self._file.close()
            self._file = None
            raise DiskError(Problem(f"it cannot be written ({error.strerror})", "Free some space", str(self.path))) from error


def still_true(event: Mapping[str, Any], step: int) -> bool:
    """Whether an event belongs to a run that goes on from ``step``: what comes later will happen again, the end among it."""
    return bool(event["step"] <= step and event["event"] != "end")


def whole_lines(path: Path) -> list[str]:
    """The whole lines of the file: a last line that a kill cut is left out."""
    return [line for line in read_lines(path) if line.endswith("\n")] if path.exists() else []


def read_events(path: Path) -> list[dict[str, Any]]:
    """All events of a run, oldest first."""
    return [json.loads(line) for line in whole_lines(path)]


def training_time(events: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds of training, evaluations left out, and real tokens per second over all ranks."""
    steps = [event["time"] for event in events if event["event"] == "step"]
    seconds = sum(time["seconds"] for time in steps)
    tokens = sum(time["seconds"] * time["tokens_per_second"] for time in steps)
    return round(seconds, 2), round(tokens / seconds, 1) if seconds else 0.0
