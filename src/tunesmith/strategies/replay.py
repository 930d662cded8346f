"""Replay: some rows of the past go along with the new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.data.encode import numbers_of, whole_numbers
from tunesmith.data.past import AUTO, InTurn, no_past, past_items

Indices = npt.NDArray[np.int64]


@dataclass
class Replay(Strategy):
    """Keeps a few rows of the past in a memory of bounded size, and adds some of them to each batch.

    Formula: batch t is B_t and M_t: M_t are drawn evenly from the memory, share * |B_t| of them, over time exactly; of label: as many times
    more as the memory has labels where the new rows have one.
    Use when: tasks or domains come one after the other and rows of the earlier ones may be kept; the strongest simple remedy.
    Cost: memory x1; time x(1 + share), in short batches more.
    Source: Rolnick et al. 2019, "Experience Replay for Continual Learning"; Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual
    Learning", algorithm 1; reservoir: Vitter 1985, algorithm R.
    Differs: the memory is chosen when a stage begins, from all rows of the past, which gives a reservoir's distribution.
    """

    past: Any = setting(AUTO, "the rows of the past: a file, a folder or a run; auto: the earlier stages")
    share: float = setting(0.1, "rows of the past in a batch, as a share of its new ones; 0 is none", low=0, high=10)
    of: str = setting("batch", "share of what: the new rows; or, for each old label, the rows of a new one", choices=("batch", "label"))
    num_rows: int = setting(1000, "rows that are kept of the past, of all of it together", low=1)
    choose: str = setting("reservoir", "which rows are kept: evenly, or equally many of each label", choices=("reservoir", "balanced"))

    owns: ClassVar[frozenset[str]] = frozenset({"the rows of the past in a batch"})
    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Replay:
        return cls(past=[{"text": "a very slow film", "label": "bad"}, {"text": "wonderful music", "label": "good"}] * 2, share=0.5)

    def begin(self, run: Run) -> None:
        self._memory: list[dict[str, Any]] = []
        parts = past_items(self.past, self._past, run.task, run.tokenizer) if self.share else []
        items = InTurn(parts)
        if not items:
            run.say(no_past("replay", self.share))
            return
        if self.num_rows > len(items):
            run.say(f"replay: the memory has room for {self.num_rows:,} rows, and the past has {len(items):,}: all of them are kept")
        chosen = CHOICES[self.choose](items, self.num_rows, seed_of(run.seed, "replay"))
        first = int(numbers_of(run.train, "row").max(initial=-1)) + 1  # their numbers follow those of the new rows
        self._memory = [{**items[index], "row": first + number} for number, index in enumerate(chosen.tolist())]
        self._rate = self.share * (num_labels(self._memory) / max(1, num_labels(run.train)) if self.of == "label" else 1.0)

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for given in batches:
            number = due(run.clock.step, self._rate * len(given)) if self._memory else 0
            random = np.random.default_rng(seed_of(run.seed, "replay", run.clock.step))
            drawn = random.choice(len(self._memory), min(number, len(self._memory)), replace=False) if number else ()
            yield [*given, *(self._memory[index] for index in drawn)]


def due(step: int, rate: float) -> int:
    """How many rows fall on a step, so that the number of all steps until then is ``rate`` times as large, rounded down."""
    return int((step + 1) * rate + 1e-9) - int(step * rate + 1e-9)


def num_labels(items: Sequence[dict[str, Any]]) -> int:
    """How many labels rows have between them. Raises ``InputError`` where they have not one each."""
    labels = whole_numbers(items, "label")
    if labels is None:
        raise InputError(Problem("replay: the rows have no label each", "Take of: label out of replay"))
    return len(np.unique(labels))


def reservoir(items: Sequence[Any], size: int, seed: int) -> Indices:
    """Which of a stream of ``items`` are in a reservoir of ``size`` at its end, in order: each with the same probability."""
    kept = np.arange(min(size, len(items)))
    random = np.random.default_rng(seed)
    for seen in range(size, len(items)):
        place = int(random.integers(seen + 1))
        if place < size:
            kept[place] = seen
    return np.sort(kept)


def balanced(items: Sequence[Any], size: int, seed: int) -> Indices:
    """Which of ``items`` are kept, ``size`` of them, in order: of each label equally many, as far as there are; else ``reservoir``."""
    labels = [str(item.get("label", "")) for item in items]
    order = np.random.default_rng(seed).permutation(len(items))
    turns: dict[str, int] = {}
    ranks = np.zeros(len(items), np.int64)
    for index in order.tolist():
        ranks[index] = turns[labels[index]] = turns.get(labels[index], -1) + 1
    return np.sort(order[np.argsort(ranks[order], kind="stable")][:size])


CHOICES: dict[str, Callable[[Sequence[Any], int, int], Indices]] = {"reservoir": reservoir, "balanced": balanced}
