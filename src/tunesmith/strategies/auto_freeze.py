"""AutoFreeze: layers whose gradients have settled stop learning, from the bottom up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock, Span
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.surgery import check_layers


@dataclass
class AutoFreeze(Strategy):
    """Freezes the lowest layers that still learn when the length of their gradients changes less than that of others.

    Formula: e(l) = | G'(l) - G(l) | / G'(l), G and G' the sums of ||gradient of layer l|| over this interval and the one before; l freezes
    when all below it are frozen and e(l) is below the given percentile of all layers that learn.
    Use when: time matters: what is frozen needs no backward pass, and is computed once for each row that is met again.
    Cost: memory x1 falling to x0.4, time x1 falling to x0.4.
    Source: Liu, Agarwal and Venkataraman 2021, "AutoFreeze: Automatically Freezing Model Blocks to Accelerate Fine-tuning", algorithm 1.
    Differs: lengths are summed, where the paper takes the length of summed gradients, which would need as much memory as the weights.
    """

    every: Span = setting(Span(10, "%"), "interval between decisions: 10%, 0.5ep, 50st")
    percentile: float = setting(50.0, "N, a layer freezes below this percentile of changes, 0 to 100; 0 freezes none", low=0, high=100)
    keep: int = setting(1, "layers at the top that never freeze", low=0)

    foresees: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.frozen = 0  # depths, from the embeddings up
        self.sums: dict[str, float] = {}
        self.before: dict[str, float] = {}

    @classmethod
    def example(cls) -> AutoFreeze:
        return cls(every=Span(1, "st"), percentile=100.0, keep=0)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, learns=False) if param.depth < self.frozen else rule

    def begin(self, run: Run) -> None:
        self.__post_init__()  # a strategy that was used before begins anew
        check_layers(self.keep, next(iter(run.params.values())).layers, "be kept from freezing")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        for depth, length in lengths(run).items():
            self.sums[str(depth)] = self.sums.get(str(depth), 0.0) + length
        return loss

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        if (run.clock.step + 1) % max(1, self.every.steps(run.clock)):
            return
        change = {int(depth): changed(self.before[depth], own) for depth, own in self.sums.items() if depth in self.before}
        self.before, self.sums = self.sums, {}
        most = next(iter(run.params.values())).layers - self.keep
        reached = min(most + 1, settled(change, self.frozen, self.percentile))
        if reached > self.frozen:
            self.frozen = reached
            where = "the embeddings" if reached == 1 else f"the embeddings and layers up to {reached - 1}"
            run.say(f"auto_freeze: {where} no longer learn: the length of their gradients changes least ({change[reached - 1]:.0%})")


def lengths(run: Run) -> dict[int, float]:
    """The Euclidean norm of the gradient of all that learns at each depth below the head."""
    found: dict[int, list[torch.Tensor]] = {}
    for name, weight in run.learning().items():
        if weight.grad is not None and not run.params[name].head:
            found.setdefault(run.params[name].depth, []).append(weight.grad)
    return {depth: float(torch.nn.utils.get_total_norm(gradients)) for depth, gradients in sorted(found.items())}


def changed(before: float, now: float) -> float:
    """The relative change of a length; without end where it was 0."""
    return abs(before - now) / before if before > 0 else float("inf")


def settled(change: Mapping[int, float], frozen: int, percentile: float) -> int:
    """How many depths are frozen from the bottom, ``frozen`` of them already: on while the change is below the percentile of all."""
    finite = [value for value in change.values() if np.isfinite(value)]
    limit = float(np.percentile(finite, percentile)) if finite else 0.0
    while change.get(frozen, float("inf")) < limit:
        frozen += 1
    return frozen
