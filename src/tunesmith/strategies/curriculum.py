"""Curriculum: easy rows first, harder ones as training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import Named, setting
from tunesmith.core.strategy import ORDER, Rows, Strategy
from tunesmith.data.columns import DIFFICULTY
from tunesmith.data.encode import numbers_of
from tunesmith.model.difficulty import MEASURES, measured
from tunesmith.model.teacher import taught

LENGTH = "length"

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
    Cost: memory x1, time x1; short rows come first, so the first steps are quick. By what a model finds, each row is passed
    through it once more, alone, and again whenever that is renewed.
    Source: Platanios et al. 2019, "Competence-based Curriculum Learning for Neural Machine Translation", equations 6 to 8;
    Bengio et al. 2009; by the loss of a reference model: Hacohen and Weinshall 2019, "On The Power of Curriculum Learning in Training
    Deep Networks", section 2.2; renewed: Kumar et al. 2010, "Self-Paced Learning for Latent Variable Models", section 4.
    Differs: difficulty may be the length, a column of the data (``data.columns: {difficulty: COLUMN}``), the loss, a language model's
    perplexity, or how unlikely a model finds the truth; a share of the rows grows by the clock, where self-paced learning lowers a
    threshold of the loss; no row is twice in a batch.
    """

    by: str = setting(
        LENGTH,
        "what makes a row difficult: length, data.columns.difficulty, or for a model a high loss or perplexity, or little confidence",
        choices=(LENGTH, DIFFICULTY, *MEASURES),
    )
    reference: Named = setting("", "which model finds it difficult: a tuned run or folder; the one that is tuned when not said")
    renew: Span | None = setting(None, "time after which that is asked anew, of the model as it then is (self-paced)")
    hardest_first: bool = setting(False, "whether the order is turned round: an anti-curriculum, to compare with")
    start: float = setting(0.1, "share of the rows that take part at first", above=0, high=1)
    until: Span = setting(Span(50, "%"), "time after which all rows take part")
    pace: str = setting("root", "how the share grows", choices=tuple(PACES))

    owns: ClassVar[frozenset[str]] = frozenset({ORDER})

    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = dict.fromkeys(("reference", "renew"), ("by", tuple(MEASURES)))

    def __post_init__(self) -> None:
        if self.reference and self.renew:
            raise InputError(Problem("curriculum: what a reference model finds never changes", "Leave out renew, or reference"))

    @classmethod
    def example(cls) -> Curriculum:
        return cls(start=0.4)

    def begin(self, run: Run) -> None:
        self._known = self.start == 1 or not run.train  # where all rows take part from the start, none is harder
        self._check(run)
        self._forward = run.forward
        self._by: Any = None  # the difficulty that the order was made of
        if not self._known and self.reference:
            module = taught(self.reference, run, "curriculum").module
            self._forward = Forward(module.to(run.device).eval(), run.device, run.forward.dtype)
        if not self._known and self.by not in MEASURES:
            self.difficulty, self.scored = torch.from_numpy(numbers_of(run.train, self.by)).float(), 0

    def _check(self, run: Run) -> None:
        """Refuse what the rows or the task do not have."""
        if self.by in MEASURES and run.task.compares:
            raise InputError(Problem("curriculum: a row alone has no loss in this task", "Take by: length"))
        if self.by == "perplexity" and "perplexity" not in run.task.offers:
            raise InputError(Problem("curriculum: perplexity is that of a language model, and this task is none", "Take by: loss"))
        if self.by == "confidence" and not ({"logits"} <= run.task.offers and getattr(run.task, "kind", "") != "regression"):
            raise InputError(Problem("curriculum: this task has no probabilities of what is right", "Take by: loss"))
        if self.by == DIFFICULTY and run.train and DIFFICULTY not in run.train[0]:
            remedy = "Name the column that holds it: data.columns: {difficulty: COLUMN}"
            raise InputError(Problem("curriculum: the rows have no difficulty each", remedy))

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for given in batches:
            share = 1.0 if self._known else share_at(run.clock, self.until.steps(run.clock), self.start, self.pace)
            if share >= 1:
                yield given
                continue
            self._score(run)
            if self._by is not self.difficulty:
                self._by, self._order = self.difficulty, torch.argsort(self.difficulty, descending=self.hardest_first, stable=True).numpy()
            allowed = self._order[: max(len(given), round(share * len(self._order)))]
            random = np.random.default_rng(seed_of(run.seed, "curriculum", run.clock.step))
            yield [run.train[row] for row in random.choice(allowed, min(len(allowed), len(given)), replace=False).tolist()]

    def _score(self, run: Run) -> None:
        """Ask the model, where that is due."""
        step = run.clock.step
        if hasattr(self, "difficulty") and (self.renew is None or step < self.scored + self.renew.steps(run.clock)):
            return
        if run.fresh and not step and not self.reference:
            run.say("curriculum: the model has a new head, so what it finds before tuning says little; name a reference")
        self.difficulty, self.scored = measured(run, self._forward, self.by), step


def share_at(clock: Clock, until: int, start: float, pace: str) -> float:
    """The share of the rows, the easiest, that take part at a time: ``start`` at first, 1 from step ``until`` on."""
    return 1.0 if clock.step >= until else float(PACES[pace](clock.step / until, start))
