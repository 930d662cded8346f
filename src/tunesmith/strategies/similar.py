"""Similar: of many training rows those are learned that are like the rows the model is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import ORDER, Rows, Strategy
from tunesmith.data.unlabelled import passes, unlabelled
from tunesmith.model.embed import features

Numbers = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.int64]

TARGETS = 256  # compared at a time


@dataclass
class Similar(Strategy):
    """Learns from those training rows alone that are nearest to some row of the target, as the model sees them before tuning.

    Formula: the union over target rows t of the num_rows training rows with the highest cosine of h(t) and h(x), h the mean hidden states.
    Use when: the training rows are many and of many kinds, and the rows to be judged, or some texts like them, are there without labels.
    Cost: memory x1, time: a pass over both sets of rows before training; steps as they are, on fewer rows, each of which comes more often.
    Source: Ivison et al. 2023, "Data-Efficient Finetuning Using Cross-Task Nearest Neighbors", section 2; by features of the model itself:
    Aharoni and Goldberg 2020, "Unsupervised Domain Clusters in Pretrained Language Models", section 4.
    Differs: exact search, where the paper approximates; 500 neighbours of a target row are usual there, among millions of rows.
    """

    target: Any = setting("", "rows that the model is for, labels unread: a file (from the working folder), a sample, a hub id or texts")
    num_rows: int = setting(32, "k, training rows that are learned for each row of the target; 0: all rows are learned", low=0)

    owns: ClassVar[frozenset[str]] = frozenset({ORDER})

    @classmethod
    def example(cls) -> Similar:
        return cls(target=["a good film by a woman", "what a great day"], num_rows=2)

    def begin(self, run: Run) -> None:
        self._chosen: Chosen | None = None
        if not self.num_rows or not run.train:
            return
        target = unlabelled(self.target, run, "similar", "target")
        source, wanted = (features(run, passes(rows, run)) for rows in (run.train, target))
        self._chosen = nearest(source, wanted, self.num_rows)
        few, many = len(self._chosen), len(run.train)
        if few == many:
            run.say(f"similar: all {many:,} training rows are among the {self.num_rows} nearest of some target, and are learned from")
        else:
            run.say(f"similar: {few:,} of {many:,} training rows are learned from, each {many / few:.1f} times in an epoch")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for given in batches:
            if self._chosen is None:
                yield given
            else:
                rows = in_turn(self._chosen, run.clock.samples, len(given), run.seed)
                yield [run.train[row] for row in rows.tolist()]


def nearest(source: Numbers, target: Numbers, num: int) -> Chosen:
    """The rows of ``source`` (rows, hidden) that are among the ``num`` nearest of a row of ``target`` (others, hidden), in order."""
    source, target = (rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12) for rows in (source, target))
    found: set[int] = set()
    for start in range(0, len(target), TARGETS):
        order = np.argsort(-(target[start : start + TARGETS] @ source.T), axis=1, kind="stable")
        found.update(order[:, :num].ravel().tolist())
    return np.array(sorted(found), np.int64)


def in_turn(rows: Chosen, seen: int, num: int, seed: int) -> Chosen:
    """The next ``num`` of ``rows``, ``seen`` of which have come: all of them in random order, then in another, and so on."""
    turns = range(seen // len(rows), (seen + num - 1) // len(rows) + 1)
    order = [np.random.default_rng(seed_of(seed, "similar", turn)).permutation(rows) for turn in turns]
    first = seen - turns.start * len(rows)
    return np.concatenate(order)[first : first + num]
