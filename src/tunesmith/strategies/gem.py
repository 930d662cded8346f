"""GEM and A-GEM: no step may raise the loss on the past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.past import AUTO, InTurn, no_past, past_items

ROUNDS = 1000  # of coordinate descent, at most; a few tasks need some dozens
TINY = 1e-12


@dataclass
class GEM(Strategy):
    """Where the gradient would raise the loss on rows of the past, takes the nearest one that does not.

    Formula: average (A-GEM): g - (g.r / r.r) r where g.r < 0, r the gradient on the past; each (GEM): the nearest g' with g'.r_k >= 0 for
    the gradient r_k of each earlier stage: g + R^T v, v = argmin v R R^T v / 2 + g R^T v over v >= 0.
    Use when: stages follow one another and some rows of each may be kept, and replayed rows would weigh too much or too little.
    Cost: memory x1.25 (a gradient more), each: one more for each stage; time x2, each: x(1 + stages).
    Source: Lopez-Paz & Ranzato 2017, "Gradient Episodic Memory for Continual Learning", equations 7 to 11; average: Chaudhry et al. 2019,
    "Efficient Lifelong Learning with A-GEM", equation 11.
    Differs: no margin is added to v; the gradients are those of the whole objective, penalties among it; each draws rows, too.
    """

    past: Any = setting(AUTO, "the rows of the past: a file, a folder or a run; auto: the earlier stages")
    num_rows: int = setting(16, "rows of the past in a step; each: of every stage", low=0)
    memory_rows: int = setting(1000, "rows that are kept of the past; each: of every stage", low=1)
    constraints: str = setting("average", "what must not rise: the loss on all of the past, or on each stage", choices=("average", "each"))

    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> GEM:
        return cls(past=[{"text": "what a great day", "label": "bad"}, {"text": "a bad film", "label": "good"}], num_rows=2)

    def begin(self, run: Run) -> None:
        self._parts: list[list[dict[str, Any]]] = []
        parts = past_items(self.past, self._past, run.task, run.tokenizer) if self.num_rows else []
        if not parts:
            run.say(no_past("gem", self.num_rows))
            return
        items = parts if self.constraints == "each" else [InTurn(parts)]
        random = np.random.default_rng(seed_of(run.seed, "gem"))
        for part in items:
            if self.memory_rows > len(part):
                run.say(f"gem: the memory has room for {self.memory_rows:,} rows, and the past has {len(part):,}: all of them are kept")
            chosen = np.sort(random.permutation(len(part))[: self.memory_rows])
            self._parts.append([part[index] for index in chosen.tolist()])

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        if not self._parts:
            return inner(batches)
        learning = run.learning()
        references = []
        for number, part in enumerate(self._parts):
            random = np.random.default_rng(seed_of(run.seed, "gem", number, run.clock.step))
            drawn = random.permutation(len(part))[: self.num_rows].tolist()
            inner([run.task.collate([part[index] for index in drawn], run.tokenizer).to(run.device)])
            references.append([torch.zeros_like(w) if w.grad is None else w.grad.clone() for w in learning.values()])
        loss = inner(batches)
        given = [torch.zeros_like(w) if w.grad is None else w.grad for w in learning.values()]
        for share, reference in zip(multiples(given, references), references, strict=True):
            if share:
                for w, part_of in zip(learning.values(), reference, strict=True):
                    w.grad = part_of * share if w.grad is None else w.grad.add_(part_of, alpha=share)
        return loss


def dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """The inner product of two gradients, each given in parts."""
    return sum(float((a.double() * b.double()).sum()) for a, b in zip(one, other, strict=True))


def multiples(gradient: Sequence[Tensor], references: Sequence[Sequence[Tensor]]) -> list[float]:
    """How much of each of ``references`` is added to ``gradient``, so that it falls along none: v >= 0 of the dual problem.

    Found by coordinate descent, which for one reference is A-GEM's projection.
    """
    inner = np.array([[dot(a, b) for b in references] for a in references])  # R R^T
    along = np.array([dot(gradient, reference) for reference in references])  # R g
    found = np.zeros(len(references))
    for _ in range(ROUNDS):
        before = found.copy()
        for k in range(len(found)):
            if inner[k, k] > TINY:
                found[k] = max(0.0, found[k] - (inner[k] @ found + along[k]) / inner[k, k])
        if np.abs(found - before).max() <= 1e-10 * max(1.0, np.abs(found).max()):
            break
    return [float(value) for value in found]
