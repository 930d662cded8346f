"""Divergence: a loss that is not finite or has run away, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from tunesmith.core.errors import DivergedError
from tunesmith.core.run import Run

WINDOW = 11  # steps whose median loss is looked at, so that a few odd batches decide nothing
HIGH = 2.0  # times the first loss of a run, or 1 where that is less: from there on the user is warned
RUNAWAY = 10.0  # and from there on the weights are worth nothing, finite as they may be
SUDDEN = 1e3  # as a single step tells


class Divergence:
    """Compares the losses of a run with its first, which is that of a model that has learned nothing."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.first: float | None = None
        self.recent: list[float] = []
        self.warned = False

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"first": self.first, "recent": self.recent, "warned": self.warned}

    def load(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def check(self, loss: float, rows: Sequence[int]) -> None:
        """Look at the mean loss of a step on ``rows``. Raises ``DivergedError`` where it is not finite, or where it has run away."""
        step = self.run.clock.step + 1
        self.first = abs(loss) if self.first is None else self.first
        limit = max(1.0, self.first)
        if not math.isfinite(loss) or abs(loss) > SUDDEN * limit:
            raise diverged(f"The loss is {loss:.4g} at step {step}", self.run, rows)
        self.recent = [*self.recent, loss][-WINDOW:]
        usual = median(self.recent) if len(self.recent) == WINDOW else 0.0
        if usual > RUNAWAY * limit:
            raise diverged(f"The loss was {self.first:.3g} at first and is {usual:.3g} at step {step}", self.run)
        if usual > HIGH * limit and not self.warned:
            self.warned = True
            risen = f"the loss was {self.first:.3g} at first and is {usual:.3g} now: is the rate too high?"
            self.run.say(f"WARNING: {risen} {remedy(self.run)}.")


def diverged(message: str, run: Run, rows: Sequence[int] = ()) -> DivergedError:
    """The error of a run that has diverged, with a lower rate to try, and the rows of the step where they may be the reason."""
    error = DivergedError(message, remedy=remedy(run))
    error.rate, error.rows = lower(run), rows
    return error


def remedy(run: Run) -> str:
    """What to do where a rate is too high."""
    return f"Lower training.learning_rate, to {lower(run):g} for example, or look for one with `tunesmith check RECIPE --find-rate`"


def lower(run: Run) -> float:
    """A tenth of the rate, to one digit."""
    return float(f"{run.peak / 10:.0e}")
