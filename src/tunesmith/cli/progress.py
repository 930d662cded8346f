"""Progress: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.cli.show import duration, size
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run

LIVE_SECONDS, PLAIN_SECONDS = 0.2, 15.0  # least time between two lines
SMOOTHING = 0.9


@dataclass
class Progress(Observer):
    """Shows step, loss, rate, tokens per second, time left and memory on standard error."""

    live: bool = False

    def __post_init__(self) -> None:
        self._shown, self._speed, self._loss, self._pace = 0.0, 0.0, 0.0, 0.0

    def say(self, message: str) -> None:
        self._print(message)

    def begin(self, run: Run) -> None:
        self._shown = time.monotonic()

    def step(self, run: Run, record: Record) -> str | None:
        first = self._pace == 0
        keep = 0.0 if first else SMOOTHING
        self._loss = keep * self._loss + (1 - keep) * record.loss
        self._pace = keep * self._pace + (1 - keep) * record.seconds
        self._speed = keep * self._speed + (1 - keep) * record.tokens / max(record.seconds, 1e-9)
        now = time.monotonic()
        if now - self._shown >= (LIVE_SECONDS if self.live else PLAIN_SECONDS) or run.clock.finished:
            self._shown = now
            line = self._line(run, record)
            print(f"\r\x1b[2K{line}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)
        return None

    def evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        metric = run.task.primary
        self._print(f"evaluation at step {run.clock.step:,} ({run.clock.epoch:.3g} ep): {metric} {scores[metric]:.4g}")

    def end(self, run: Run, reason: str) -> None:
        self._print(f"ended after step {run.clock.step:,}: {reason}")

    def _line(self, run: Run, record: Record) -> str:
        left = duration(self._pace * (run.clock.total - run.clock.step))
        parts = (
            f"step {record.step:,}/{run.clock.total:,} ({run.clock.progress:.0%})",
            f"loss {self._loss:.4f}",
            f"rate {record.rate:.2e}",
            f"{self._speed:,.0f} tokens/s",
            f"{left} left",
            memory(),
        )
        return "  ".join(parts)

    def _print(self, message: str) -> None:
        print(f"\r\x1b[2K{message}" if self.live else message, file=sys.stderr, flush=True)


def memory() -> str:
    """The memory that this process holds."""
    import psutil

    return size(psutil.Process().memory_info().rss)


def observer() -> Progress:
    """Progress as standard error can show it."""
    return Progress(live=sys.stderr.isatty())
