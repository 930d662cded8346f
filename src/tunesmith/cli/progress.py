"""Progress: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from tunesmith.cli import show
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run, best_index
from tunesmith.core.words import counted

LIVE_SECONDS, PLAIN_SECONDS = 0.2, 15.0  # least time between two lines
SMOOTHING = 0.9
STOPPING = "Stopping after this step, and saving. Ctrl-C again stops at once."


@dataclass
class Progress(Observer):
    """Shows step, loss, rate, tokens per second, time left and memory on standard error."""

    def __post_init__(self) -> None:
        self._shown, self._began, self._first_step = 0.0, 0.0, 0
        self._loss, self._seconds, self._tokens = 0.0, 0.0, 0.0  # smoothed, of a step

    def say(self, message: str) -> None:
        show.say(message)

    def begin(self, run: Run) -> None:
        self._shown = self._began = time.monotonic()
        self._first_step = run.clock.step
        self._loss, self._seconds, self._tokens = 0.0, 0.0, 0.0  # a stage has figures of its own
        answer = signal.getsignal(signal.SIGINT)

        def tell_first(number: int, frame: FrameType | None) -> None:
            os.write(2, f"{show.CLEAR if show.live() else ''}{STOPPING}\n".encode())  # what a signal may interrupt cannot print
            if callable(answer):
                answer(number, frame)

        if callable(answer):
            signal.signal(signal.SIGINT, tell_first)  # the checkpoints, which answer it, put back what was there before

    def step(self, run: Run, record: Record) -> str | None:
        keep = SMOOTHING if self._seconds else 0.0
        self._loss = keep * self._loss + (1 - keep) * record.loss
        self._seconds = keep * self._seconds + (1 - keep) * record.seconds
        self._tokens = keep * self._tokens + (1 - keep) * record.tokens
        now = time.monotonic()
        if now - self._shown >= (LIVE_SECONDS if show.live() else PLAIN_SECONDS) or run.clock.finished:
            self._shown = now
            (show.passing if show.live() else show.say)(self._line(run, record))
        return None

    def evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        metric = run.task.primary
        values = [evaluation[metric] for evaluation in run.evaluations]
        best = ", the best so far" if len(values) > 1 and best_index(values, run.task.higher_is_better) == len(values) - 1 else ""
        show.say(f"step {run.clock.step:,} (epoch {run.clock.epoch:.3g}): {metric} {scores[metric]:.4g} on the validation rows{best}")

    def end(self, run: Run, reason: str) -> None:
        steps = run.clock.step - self._first_step
        show.say(f"{counted(steps, 'step')} in {show.duration(time.monotonic() - self._began)}: {reason}")

    def _line(self, run: Run, record: Record) -> str:
        clock = run.clock
        parts = (
            f"step {clock.step:,}/{clock.total:,}",
            f"loss {self._loss:.4f}",
            f"rate {record.rate:.1e}",
            f"{self._tokens / max(self._seconds, 1e-9):,.0f} tokens/s",
            f"{show.duration(self._seconds * (clock.total - clock.step))} left",
            memory(),
        )
        return "  ".join(parts)


def memory() -> str:
    """The memory that this process holds."""
    import psutil

    return show.size(psutil.Process().memory_info().rss)


def observers() -> list[Observer]:
    """Progress; nothing in processes that the first one speaks for."""
    return [Progress()] if show.first_process() else []
