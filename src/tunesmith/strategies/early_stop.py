"""Early stopping: a run ends when its evaluations no longer get better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.words import counted


@dataclass
class EarlyStop(Observer):
    """Ends the run when the task's primary metric has not gained enough for some evaluations in a row.

    Formula: stop when patience evaluations followed the last one with score > best before it + minimum_gain.
    Use when: the number of epochs is a guess; set it high, evaluate often, and ship the best checkpoint.
    Cost: memory x1, time x0.2 to x1, and that of the evaluations.
    Source: Prechelt 1998, "Early Stopping - But When?", criterion UP; Goodfellow et al. 2016, "Deep Learning", algorithm 7.1 (patience).
    Differs: UP counts rises from one evaluation to the next; here each is compared with the best so far, and a smallest gain can be asked.
    """

    patience: int = setting(3, "evaluations without a gain after which the run ends", low=1)
    minimum_gain: float = setting(0.0, "smallest change for the better that counts, in units of the metric", low=0)

    by_evaluations: ClassVar[bool] = True

    def step(self, run: Run, record: Record) -> str | None:
        if record.scores is None:
            return None
        metric = run.task.primary
        waited = since_gain([scores[metric] for scores in run.evaluations], run.task.higher_is_better, self.minimum_gain)
        if waited < self.patience:
            return None
        best = run.evaluations[-1 - waited]
        long = counted(waited, "evaluation")
        self.ended = f"early_stop: no gain in {metric} for {long}; it was {best[metric]:.4g} at step {best['step']}"
        return self.ended


def since_gain(values: Sequence[float], higher_is_better: bool, minimum_gain: float = 0.0) -> int:
    """How many of ``values`` come after the last one that beat all before it by more than ``minimum_gain``.

    The first value is a gain over nothing; NaN is never one.
    """
    best, last = float("-inf"), 0
    for position, value in enumerate(values):
        signed = value if higher_is_better else -value
        if signed > best + minimum_gain:
            best, last = signed, position
    return max(0, len(values) - 1 - last)
