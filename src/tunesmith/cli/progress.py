"""Progress: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import signal
import statistics
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from tunesmith.cli import show
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run, best_index
from tunesmith.core.words import counted, duration, size

LIVE_SECONDS, PLAIN_SECONDS = 0.2, 15.0  # least time between two lines
SMOOTHING = 0.9
RECENT = 21  # steps whose median tells the speed: what is computed once, amid others, does not count
STOPPING = "Stopping after this step, and saving. Ctrl-C again stops at once."


@dataclass
class Progress(Observer):
    """Shows step, loss, rate, tokens per second, time left and memory on standard error."""

    def __post_init__(self) -> None:
        self._shown, self._began, self._first_step = 0.0, 0.0, 0
        self._loss = math.nan  # smoothed
        self._recent: deque[Record] = deque(maxlen=RECENT)

    def say(self, message: str) -> None:
        show.say(message)

    def begin(self, run: Run) -> None:
        self._shown = self._began = time.monotonic()
        self._first_step = run.clock.step
        self._loss = math.nan  # a stage has figures of its own
        self._recent.clear()
        answer = signal.getsignal(signal.SIGINT)

        def tell_first(number: int, frame: FrameType | None) -> None:
            os.write(2, f"{show.CLEAR if show.live() else ''}{STOPPING}\n".encode())  # what a signal may interrupt cannot print
            if callable(answer):
                answer(number, frame)

        if callable(answer):
            signal.signal(signal.SIGINT, tell_first)  # the checkpoints, which answer it, put back what was there before

    def step(self, run: Run, record: Record) -> str | None:
        self._loss = record.loss if math.isnan(self._loss) else SMOOTHING * self._loss + (1 - SMOOTHING) * record.loss
        if record.step > self._first_step + 1:  # the first one sets things up: it may compute the frozen layers of all rows
            self._recent.append(record)
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
        show.say(f"{counted(steps, 'step')} in {duration(time.monotonic() - self._began)}: {reason}")

    def _line(self, run: Run, record: Record) -> str:
        clock, parts = run.clock, []
        if self._recent:
            speed = statistics.median(step.tokens / max(step.seconds, 1e-9) for step in self._recent)
            left = statistics.median(step.seconds for step in self._recent) * (clock.total - clock.step)
            parts = [f"{speed:,.0f} tokens/s", f"{duration(left)} left"]
        of_run = f"step {clock.step:,}/{clock.total:,}", f"loss {self._loss:.4f}", f"rate {record.rate:.1e}"
        return "  ".join((*of_run, *parts, memory()))


def memory() -> str:
    """The memory that this process holds."""
    import psutil

    return size(psutil.Process().memory_info().rss)


def observers() -> list[Observer]:
    """Progress; nothing in processes that the first one speaks for."""
    return [Progress()] if show.first_process() else []
