"""Time in a run: a clock that counts optimizer steps, and spans with units: ``3ep``, ``500st``, ``40%``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from tunesmith.core.errors import InputError, Problem

_SPAN = re.compile(r"^\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(ep|st|%)?\s*$")


@dataclass(frozen=True)
class Span:
    """A length of time: epochs (``ep``), optimizer steps (``st``) or a share of the run (``%``)."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str | int | float | Span, natural: str = "ep") -> Span:
        """Read ``"3ep"``, ``"500st"``, ``"40%"`` or a bare number, which means ``natural``.

        Raises ``InputError`` for anything else, negative numbers among it.
        """
        if isinstance(text, Span):
            return text
        found = _SPAN.match(str(text)) if not isinstance(text, bool) else None
        if found is None or math.isinf(float(found[1])):
            raise InputError(Problem(f"'{text}' is not a length of time", "Write 3ep (epochs), 500st (steps) or 40% (of the run)"))
        span = cls(float(found[1]), found[2] or natural)
        if span.unit == "%" and span.value > 100:
            raise InputError(Problem(f"'{text}' is more than the whole run", "Write a share from 0% to 100%"))
        return span

    def steps(self, clock: Clock) -> int:
        """The span in optimizer steps of this run, rounded to the nearest and at least 0."""
        scale = {"ep": clock.steps_per_epoch, "st": 1.0, "%": clock.total / 100}[self.unit]
        return math.floor(self.value * scale + 0.5)

    def __str__(self) -> str:
        return repr(float(self.value)).removesuffix(".0") + self.unit


@dataclass(frozen=True)
class Clock:
    """Where a run is: ``step`` optimizer steps are done of ``total``; ``samples`` rows and ``tokens`` tokens were seen."""

    step: int
    total: int
    steps_per_epoch: int
    samples: int = 0
    tokens: int = 0

    @property
    def epoch(self) -> float:
        """Epochs done, with fractions."""
        return self.step / max(1, self.steps_per_epoch)

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return min(1.0, self.step / max(1, self.total))

    @property
    def finished(self) -> bool:
        return self.step >= self.total

    def tick(self, samples: int, tokens: int) -> Clock:
        """The clock one optimizer step later."""
        return replace(self, step=self.step + 1, samples=self.samples + samples, tokens=self.tokens + tokens)

    def at(self, step: int) -> Clock:
        """The same run at another step, for looking ahead."""
        return replace(self, step=step)

    def times(self, every: Span) -> int:
        """How often in the whole run a thing done ``every`` so often is ``due``."""
        return math.ceil(self.total / max(1, every.steps(self)))

    def due(self, every: Span) -> bool:
        """Whether a thing done ``every`` so often falls on the step just done. The end of the run is always due."""
        interval = max(1, every.steps(self))
        return self.step > 0 and (self.step % interval == 0 or self.finished)
