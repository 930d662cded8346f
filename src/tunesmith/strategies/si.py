"""Synaptic intelligence: what a weight did for the loss, counted while it learns, says how firmly it is held afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.embedding import of_table, to_table

Named = dict[str, Tensor]


@dataclass
class SI(Strategy):
    """Counts along the path of training what each weight took off the loss, and holds it as firmly in what comes after.

    Formula: loss + strength * sum_i O_i (w_i - w*_i)^2, O_i = sum over stages of max(0, p_i) / (d_i^2 + damping), p_i = - sum over steps of
    gradient_i * change_i, d_i how far the stage moved the weight, w* where the last stage left it.
    Use when: stages follow one another, and no row of the past may be kept or seen again.
    Cost: memory x2 (path, importance, start and anchor of every weight), time x1.1.
    Source: Zenke, Poole and Ganguli 2017, "Continual Learning Through Synaptic Intelligence", equations 3 to 5.
    Differs: the gradient is that of the whole step, penalties among it; a stage counts up to its last step, whichever weights are shipped.
    An adapter, which is merged at the end of a stage and begins anew, is not held: beside one the head alone is.
    """

    strength: float = setting(1.0, "c, weight of the penalty; 0 is none", low=0)
    damping: float = setting(0.1, "xi, added to the squared way of a weight, so that one that stood still counts little", above=0)
    every: Span | None = setting(None, "time after which what was learned so far is held within a stage, too: 1ep, 500st; else at its end")

    inherits: ClassVar[bool] = True

    @classmethod
    def example(cls) -> SI:
        return cls(strength=10.0, every=Span(2, "st"))

    def begin(self, run: Run) -> None:
        self.importance: Named = {}  # of whole tables
        self.held: Named = {}
        self.path: Named = {}  # these in the shape of the parameters
        self.start: Named = {}
        self.tokens: Named = {}  # the rows of tables that learned
        if self.strength and self._past is not None and self._past.memory.get("path"):
            self._take_up(run)

    def _take_up(self, run: Run) -> None:
        """Hold what the stage before learned, where it ended."""
        before = dict(self._past.memory) if self._past else {}
        anew = {name for name, param in run.params.items() if param.added and not param.head}  # the last adapter was merged
        weights = {n: to_table(run.model, n, w.detach(), own=True) for n, w in run.model.named_parameters() if n not in anew}
        for name in {**before["importance"], **before["path"]}:
            path, old, rows = (before[kind].get(name) for kind in ("path", "importance", "tokens"))
            here = weights.get(name)
            if here is None or any(table is not None and table.shape != here.shape for table in (old, path if rows is None else None)):
                continue  # a new head has nothing to hold
            whole = torch.zeros_like(here) if old is None else old.clone()
            if path is not None:
                part = slice(None) if rows is None else rows
                whole[part] += earned(path, here[part] - before["start"][name], self.damping)
            self.importance[name], self.held[name] = whole, here.clone()
        if anew or not self.importance:
            what = "only what else learned is" if self.importance else "nothing is"
            run.say(f"si: an adapter or a head that begins anew has nothing to hold, so {what} held of the stages before")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        learning = run.learning()
        held = [name for name in self.importance if name in learning] if self.strength else []
        if not held:
            return loss
        parts = []
        for name in held:
            place, importance = (of_table(run.model, name, kept[name]) for kept in (self.held, self.importance))
            parts.append(((learning[name].float() - place).square() * importance).sum())
        return loss.penalty("si", self.strength * torch.stack(parts).sum())

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        self._gradients = {name: w.grad.clone() for name, w in run.learning().items() if w.grad is not None} if self.strength else {}
        return loss

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        if not self.strength:
            inner()
            return
        weights = {name: w for name, w in run.learning().items() if name in self._gradients}
        before = {name: w.detach().clone() for name, w in weights.items()}
        inner()
        for name, w in weights.items():
            if name not in self.path:
                self.start[name], self.path[name] = before[name], torch.zeros_like(before[name])
                owner = run.model.get_submodule(name.rpartition(".")[0])
                if to_table(run.model, name, before[name]) is not before[name]:
                    self.tokens[name] = owner.used  # type: ignore[assignment]
            self.path[name] -= self._gradients[name] * (w.detach() - before[name])
        if self.every is not None and run.clock.at(run.clock.step + 1).due(self.every):
            self._consolidate(run)

    def _consolidate(self, run: Run) -> None:
        """Hold what was learned since the last time."""
        for name, w in run.learning().items():
            if name in self.path:
                new = to_table(run.model, name, earned(self.path[name], w.detach() - self.start[name], self.damping))
                self.importance[name] = self.importance[name] + new if name in self.importance else new
                self.held[name] = to_table(run.model, name, w.detach(), own=True).clone()
                self.start[name], self.path[name] = w.detach().clone(), torch.zeros_like(w)


def earned(path: Tensor, moved: Tensor, damping: float) -> Tensor:
    """The importance of each weight: what its path took off the loss, 0 at least, divided by the square of its way and ``damping``."""
    return path.clamp_min(0) / (moved.square() + damping)
