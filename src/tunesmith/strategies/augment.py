"""Augmentation: rows are seen with words removed, swapped, replaced, inserted or mistyped, otherwise each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Row
from tunesmith.data.changed import changed_texts
from tunesmith.data.rewriting import CHANGES, Rewriter
from tunesmith.data.units import Units, longest

TRIED = 50  # rows on which each operation is tried before training


@dataclass
class Augment(Strategy):
    """Gives the model a share of the rows with some words changed, otherwise in each epoch, while their labels stay.

    Formula: with probability share a row is changed by one operation, drawn evenly, in max(1, alpha * n) of its n words; delete leaves
    each word out with probability alpha.
    Use when: there are fewer than some thousand rows; typo where people will write in haste. Not where one word decides the label.
    Cost: memory x1, time x1 and some 20 microseconds for each word; nothing is kept below the frontier.
    Source: Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", section 2;
    punctuate: Karimi et al. 2021, "AEDA: An Easier Data Augmentation Technique for Text Classification", section 3.
    Differs: rows are changed anew whenever they come, rather than once before training. Token ids are changed, whole words of them, so
    that any tokenizer and script will do: what is cut off stays cut off, texts of a pair keep apart, and special tokens, punctuation and
    negations (not, never, 不) stay, since a label may turn on them. Characters are the words of Chinese. WordNet is asked for a word as
    it is written, inflected forms are not looked up.
    """

    share: float = setting(0.5, "probability that a row is changed, 0 to 1", low=0, high=1)
    alpha: float = setting(
        0.1, "share of its words that an operation changes, one at least; the paper takes 0.05 to 0.1", above=0, high=0.9
    )
    operations: list[str] = setting(
        factory=lambda: ["delete", "swap"],
        text="which operations: delete, swap, punctuate, typo, and with WordNet synonym and insert (of synonyms)",
        choices=tuple(CHANGES),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"labels of whole texts"})
    rewrites: ClassVar[bool] = True
    shardable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.operations:
            raise InputError(Problem("augment: there is no operation", f"Name some of {', '.join(CHANGES)}"))

    @classmethod
    def example(cls) -> Augment:
        return cls(alpha=0.3)

    def begin(self, run: Run) -> None:
        if not self.share:
            return
        units, limit = Units(run.tokenizer), longest(run.train)
        first = [run.train[place] for place in range(min(TRIED, len(run.train)))]
        every = Rewriter(units, tuple(self.operations), self.alpha, limit)
        self._changes = changed_texts(((row, changed(every, row, run)) for row in first), run.tokenizer)
        for operation in self.operations:
            alone = Rewriter(units, (operation,), self.alpha, limit)
            tried = [(row, changed(alone, row, run)) for row in first]
            pairs = [(before, after) for before, after in tried if after["input_ids"] != before["input_ids"]]
            if pairs:
                before, after = (units.text(token for token in row["input_ids"] if token not in units.special) for row in pairs[0])
                run.say(f"augment: {operation} makes of '{before}' '{after}'")
            else:
                run.say(f"augment: {operation} changes none of the first {len(tried)} rows")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        if not self.share:
            yield from batches
            return
        rewriter = Rewriter(Units(run.tokenizer), tuple(self.operations), self.alpha, longest(run.train))
        for rows in batches:
            yield [changed(rewriter, row, run, self.share) for row in rows]


def changed(rewriter: Rewriter, row: Row, run: Run, share: float = 1.0) -> dict[str, Any]:
    """The row as it is seen at this step, changed with probability ``share``: a function of seed, step and row."""
    draw = np.random.default_rng(seed_of(run.seed, "augment", run.clock.step, row["row"]))
    return rewriter(row, draw) if draw.random() < share else row
