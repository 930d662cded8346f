"""Self-training: rows without labels get those that the model is surest of, and it learns from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Prediction, Row
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import Encoded
from tunesmith.data.unlabelled import batch_of, unlabelled
from tunesmith.model.domains import judging

POSITIONS = 8192  # in one forward pass, padding included


@dataclass
class SelfTraining(Strategy):
    """Labels rows without labels by the model itself, again and again, and adds those that it is surest of to each batch.

    Formula: every so often, y(u) = argmax p(u) for the rows u with max p(u) >= threshold that are among the surest ``portion`` of their
    class; a batch of n rows gets ratio * n of them.
    Use when: labels are few and rows without labels many, and the model is mostly right already: it learns its mistakes too.
    Cost: memory x1, time x1 + ratio, and a pass over the rows each time.
    Source: Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method"; the surest of each class: Zou et al. 2018,
    "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training", equations 5 to 7.
    Differs: the model goes on rather than starting anew; the portion stays the same; labels count as those that people gave.
    """

    unlabelled: Any = setting("", "rows without labels: a file (from the working folder), a sample, a hub id or texts")
    every: Span = setting(Span(1, "ep"), "time after which rows are labelled, the first time and again")
    threshold: float = setting(0.9, "how sure the model must be, 0 to 1", low=0, high=1)
    portion: float = setting(
        0.5, "share of the rows of each class, the surest, that is used: a class that is easy does not take over", above=0, high=1
    )
    ratio: float = setting(0.5, "rows that are added to a batch, for each of its own; 0 is none", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> SelfTraining:
        texts = ["a slow song by a woman", "the good cat in paris", "like a bad song , very long", "was it the great dog ?"]
        return cls(texts, every=Span(2, "st"), threshold=0.4)

    def begin(self, run: Run) -> None:
        self.chosen: list[int] = []  # rows, and the label of each
        self.labels: list[int] = []
        self.taught: bool | None = None  # whether any row has had a label so far; None before the first time
        self._rows: Encoded | None = None
        if not self.ratio:
            return
        if getattr(run.task, "kind", "") != "single":
            message = "self_training: the task has no single label for each row"
            raise InputError(Problem(message, "Take self_training out of strategies, or see consistency"))
        self._rows = unlabelled(self.unlabelled, run, "self_training", "unlabelled")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for given in batches:
            yield [*given, *self._drawn(round(self.ratio * len(given)), run)]

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        done = run.clock.step + 1
        if self._rows is None:
            return
        if done < run.clock.total and done % max(1, self.every.steps(run.clock)) == 0:
            self._label(self._rows, run)
        elif done == run.clock.total and not self.taught:
            unsure = f"the model was never as sure of one as threshold asks ({self.threshold:g}); lower it, or train longer"
            why = f"the run ends before every ({self.every}) is over; shorten it" if self.taught is None else unsure
            run.say(f"self_training: NOTHING IS LEARNED from the rows without labels: {why}")

    def _label(self, rows: Encoded, run: Run) -> None:
        names: list[str] = run.task.labels  # type: ignore[attr-defined]
        found: dict[int, Prediction] = {}
        with torch.no_grad(), judging(run.model):
            for items in length_batches(rows.lengths, POSITIONS):
                batch = batch_of([rows[item] for item in items.tolist()], run)
                found.update(zip(items.tolist(), run.task.answer(batch, run.forward, run.tokenizer), strict=True))
        labels = [names.index(found[item]["label"]) for item in range(len(rows))]
        sure = [found[item]["probabilities"][names[label]] for item, label in enumerate(labels)]
        self.chosen = surest(labels, sure, self.threshold, self.portion)
        self.labels = [labels[item] for item in self.chosen]
        self.taught = self.taught or bool(self.chosen)
        counts = ", ".join(f"{name} {self.labels.count(number):,}" for number, name in enumerate(names))
        run.say(f"self_training: {len(self.chosen):,} of {len(rows):,} rows have labels now: {counts}")

    def _drawn(self, num: int, run: Run) -> list[Row]:
        if not self.chosen or self._rows is None:
            return []
        generator = torch.Generator().manual_seed(seed_of(run.seed, "self_training", run.clock.step))
        places = torch.randint(len(self.chosen), (num,), generator=generator).tolist()
        # Rows from elsewhere are numbered below 0.
        return [{**self._rows[self.chosen[place]], "label": self.labels[place], "row": -1 - self.chosen[place]} for place in places]


def surest(labels: Sequence[int], sure: Sequence[float], threshold: float, portion: float) -> list[int]:
    """The rows, in order, that are at least ``threshold`` sure and among the surest ``portion`` of those with their label, one at least."""
    kept: list[int] = []
    for label in set(labels):
        of_label = sorted((row for row, other in enumerate(labels) if other == label), key=lambda row: (-sure[row], row))
        kept += [row for row in of_label[: max(1, round(portion * len(of_label)))] if sure[row] >= threshold]
    return sorted(kept)
