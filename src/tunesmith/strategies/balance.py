"""Balance: rows of rare classes, or of rare groups, come more often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import ORDER, Rows, Strategy
from tunesmith.data.groups import KINDS, NAMES, Groups


@dataclass
class Balance(Strategy):
    """Draws rows by class, by group or by both: how often one comes is a power of how many rows it has.

    Formula: p(c) = n(c)^power / sum n(k)^power, and a row evenly within its class; 1 is as the rows are, 0.5 by square roots, 0 all alike.
    By group, c is a value of the column that data.columns: {group: COLUMN} names; by cell, a class within a group.
    Use when: classes or groups differ much in size, and rare ones matter; by cell also where a class could be told by the group that most
    of its rows are of. class_balanced weighs rows instead, and repeats none.
    Cost: memory x1, time x1.
    Source: Kang et al. 2020, "Decoupling Representation and Classifier for Long-Tailed Recognition", equation 1; square roots: Mahajan
    et al. 2018, "Exploring the Limits of Weakly Supervised Pretraining"; classes within groups: Idrissi et al. 2022, "Simple Data
    Balancing Achieves Competitive Worst-Group-Accuracy".
    Differs: rows are drawn with repetition, so that an epoch is a number of rows, not each of them once.
    """

    power: float = setting(0.5, "q, the power of the size of a class, 0 to 1", low=0, high=1)
    by: str = setting("class", "what is evened out: classes, groups, or cells of both", choices=tuple(KINDS))

    owns: ClassVar[frozenset[str]] = frozenset({ORDER})
    shardable: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Balance:
        return cls(power=0.0)

    def begin(self, run: Run) -> None:
        if run.train and self.power < 1:
            classes = KINDS[self.by](run.train, "balance")
            rates, sizes = chances(classes, self.power), np.bincount(classes)
            few = int(np.argmin(np.where(sizes, sizes, len(classes))))
            now, before = rates[few], sizes[few] / len(classes)
            run.say(f"balance: the rarest of {np.count_nonzero(sizes)} {NAMES[self.by]} is {now:.1%} of what is drawn, not {before:.1%}")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        if self.power == 1:
            yield from batches
            return
        classes = KINDS[self.by](run.train, "balance")
        rates = chances(classes, self.power)
        members = [np.flatnonzero(classes == number) for number in range(len(rates))]
        for given in batches:
            draw = np.random.default_rng(seed_of(run.seed, "balance", run.clock.step))
            chosen = draw.choice(len(rates), len(given), p=rates)
            yield [run.train[int(draw.choice(members[number]))] for number in chosen]


def chances(classes: Groups, power: float) -> npt.NDArray[np.float64]:
    """How often each class is to come, (classes,), sum 1; a class without rows never."""
    sizes = np.bincount(classes).astype(float)
    found = np.where(sizes > 0, sizes**power, 0.0)
    return np.asarray(found / found.sum())
