"""An observer reads the run and may ask for its end; it never changes what is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.run import Run
from tunesmith.core.strategy import Memory


@dataclass(frozen=True)
class Record:
    """What one optimizer step did.

    ``loss``     mean loss over the step's items; ``parts`` the named shares of it
    ``rate``     learning rate before any multiple
    ``tokens``   real tokens over all ranks; ``seconds`` wall-clock time of the step
    ``padding``  share of the computed positions that was padding, 0 to 1
    ``scores``   the evaluation, where one followed this step
    ``save``     whether a checkpoint is due
    """

    step: int
    epoch: float
    loss: float
    rate: float
    rows: int
    tokens: int
    padding: float
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, Any] | None = None
    save: bool = False


class Observer(Memory):
    """Watches a run: progress, logs, early stop, checkpoints. Its memory is checkpointed like a strategy's.

    ``step`` is called from the first observer to the last, ``begin`` from the last to the first: the checkpoints, which come last,
    are restored before any other observer begins, and are saved after all others have seen the step.

    ``ended``  why the run was to end, where that is a part of its memory: a run that was ended and died afterwards trains no further
    """

    ended: str = ""

    def begin(self, run: Run) -> None:
        """Everything is ready, resumed state included."""

    def step(self, run: Run, record: Record) -> str | None:
        """One optimizer step is done. A returned text ends the run, and is the reason that is written down."""
        return None

    def evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        """An evaluation is done, and the weights are still those that were judged (averaged ones, for example)."""

    def say(self, message: str) -> None:
        """A line for the user."""

    def end(self, run: Run, reason: str) -> None:
        """No further step follows."""

    @classmethod
    def example(cls) -> Observer:
        return cls()


def end_all(observers: Sequence[Observer], run: Run, reason: str, raises: bool = True) -> None:
    """Tell each that no further step follows, even where another fails. The first error of theirs is raised where ``raises`` says so."""
    errors: list[BaseException] = []
    for observer in observers:
        try:
            observer.end(run, reason)
        except BaseException as error:
            errors.append(error)
    if errors and raises:
        raise errors[0]
