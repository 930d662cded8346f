"""Curriculum: easy rows first, harder ones as training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Rows, Strategy

Numbers = npt.NDArray[np.float64]

PACES: dict[str, Callable[[float, float], float]] = {  # (share of the time that has passed, share of the rows at the start) -> share
    "linear": lambda time, start: start + (1 - start) * time,
    "root": lambda time, start: (start**2 + (1 - start**2) * time) ** 0.5,
    "step": lambda time, start: start + (1 - start) * np.floor(3 * time) / 3,
}


@dataclass
class Curriculum(Strategy):
    """Draws each batch from the easiest rows, whose share grows until all of them take part.

    Formula: batch t is drawn from the rows whose difficulty is among the lowest c(t) of all, c(t) = sqrt(c0^2 + (1 - c0^2) t / T) (root).
    Use when: rows differ much in difficulty and training is short or unstable; on clean, even data it changes little.
    Cost: memory x1, time x1; short rows come first, so the first steps are quick.
    Source: Platanios et al. 2019, "Competence-based Curriculum Learning for Neural Machine Translation", equations 6 to 8;
            Bengio et al. 2009.
    Differs: difficulty is the number of tokens, or any number that an encoded row holds; no row is twice in a batch.
    """

    by: str = setting("length", "what makes a row difficult: a number among its features, like length")
    hardest_first: bool = setting(False, "whether the order is turned round: an anti-curriculum, to compare with")
    start: float = setting(0.1, "share of the rows that take part at first", above=0, high=1)
    until: Span = setting(Span(50, "%"), "time after which all rows take part")
    pace: str = setting("root", "how the share grows", choices=tuple(PACES))

    owns: ClassVar[frozenset[str]] = frozenset({"the order of the rows"})

    @classmethod
    def example(cls) -> Curriculum:
        return cls(start=0.4)

    def begin(self, run: Run) -> None:
        if run.train and not isinstance(run.train[0].get(self.by), int | float):
            known = ", ".join(name for name, value in run.train[0].items() if isinstance(value, int | float) and name != "row")
            raise InputError(Problem(f"curriculum: the rows have no number '{self.by}'", f"Known: {known}"))

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        difficulty = np.array([float(row[self.by]) for row in run.train])
        order = np.argsort(-difficulty if self.hardest_first else difficulty, kind="stable")
        for given in batches:
            share = share_at(run.clock, self.until.steps(run.clock), self.start, self.pace)
            if share >= 1:
                yield given
                continue
            allowed = order[: max(len(given), round(share * len(order)))]
            chosen = np.random.default_rng(seed_of(run.seed, "curriculum", run.clock.step)).permutation(allowed)[: len(given)]
            yield [run.train[row] for row in chosen.tolist()]


def share_at(clock: Clock, until: int, start: float, pace: str) -> float:
    """The share of the rows, the easiest, that take part at a time: ``start`` at first, 1 from step ``until`` on."""
    return 1.0 if clock.step >= until else float(PACES[pace](clock.step / until, start))
