"""When a trial of a search is cut short: by what others scored after as many evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run

FACTOR = 3  # one of so many trials goes on at each rung
Curve = Sequence[float]  # what a trial scored at each of its evaluations so far, more being better


def worse_than_median(curve: Curve, done: Sequence[Curve], cut: Sequence[Curve]) -> bool:
    """Whether the best score so far is below the median of what finished trials scored on average up to here.

    Source: Golovin et al. 2017, "Google Vizier", section 3.2 (median stopping rule).
    """
    averages = [fmean(other[: len(curve)]) for other in done if len(other) >= len(curve)]
    return bool(averages) and max(curve) < median(averages)


def below_rung(curve: Curve, done: Sequence[Curve], cut: Sequence[Curve]) -> bool:
    """Whether, after 1, 3, 9, ... evaluations, the score is not among the best third of all that trials had there.

    Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2, whose eta is ``FACTOR``. One trial runs at
    a time here, so one that does not go on at once never does.
    """
    at, rung = len(curve), 1
    while rung < at:
        rung *= FACTOR
    if rung > at:
        return False
    scores = sorted([curve[-1], *(other[at - 1] for other in (*done, *cut) if len(other) >= at)], reverse=True)
    return curve[-1] < scores[max(1, len(scores) // FACTOR) - 1]


RULES: dict[str, Callable[[Curve, Sequence[Curve], Sequence[Curve]], bool]] = {"median": worse_than_median, "halving": below_rung}


@dataclass
class Cutting(Observer):
    """Ends a trial that is worse by a rule than those before it: ``done``, which reached their ends, and ``cut`` short."""

    rule: str
    done: Sequence[Curve] = field(default_factory=list)
    cut: Sequence[Curve] = field(default_factory=list)

    def step(self, run: Run, record: Record) -> str | None:
        if record.scores is None or run.clock.finished:
            return None
        found = [float(scores[run.task.primary]) for scores in run.evaluations]
        return self.ended if self.cuts(found, run.task.higher_is_better) else None

    def cuts(self, found: Sequence[float], higher_is_better: bool) -> bool:
        """Whether a trial that has scored ``found`` at its evaluations so far ends with the last of them."""
        curve = [value if higher_is_better else -value for value in found]
        if RULES[self.rule](curve, self.done, self.cut):
            self.ended = f"cut short after evaluation {len(curve)}, by the rule of {self.rule}"
        return bool(self.ended)
