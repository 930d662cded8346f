"""Thaw: the next lower group of layers learns when validation no longer gets better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

from tunesmith.core.clock import Clock
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.core.words import counted
from tunesmith.model.surgery import check_layers


@dataclass
class Thaw(Strategy):
    """Begins with the head alone and lets the next lower group of layers learn whenever evaluations stopped getting better.

    Formula: w learns if depth(w) > L - layers * g; g grows by 1 when the last ``patience`` evaluations hold no best one since it last did.
    Use when: as unfreeze, where nobody knows how long a group needs; evaluate often (training.evaluate_every: 0.25ep).
    Cost: memory x0.3 rising to x1, time x0.3 rising to x1: what is still frozen is computed once for each row.
    Source: Howard and Ruder 2018, ULMFiT, section 3.3 (from the top down); Felbo et al. 2017, section 3.3 (on when validation stalls).
    Differs: ULMFiT waits an epoch for each group; Felbo et al. go back to the best weights of a phase, here training goes on.
    """

    patience: int = setting(1, "evaluations without a better one after which the next group learns", low=1)
    layers: int = setting(1, "layers in a group", low=1)
    start: int = setting(0, "groups that learn from the beginning, beside the head", low=0)
    embeddings: bool = setting(True, "whether the embeddings learn at last")

    foresees: ClassVar[bool] = False
    by_evaluations: ClassVar[bool] = True
    shardable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.groups, self.since, self.judged = self.start, 0, 0

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        learns = param.depth > param.layers - self.layers * self.groups and (param.depth > 0 or self.embeddings)
        return rule if learns else replace(rule, learns=False)

    def begin(self, run: Run) -> None:
        self.__post_init__()  # a strategy that was used before begins anew
        num_layers = next(iter(run.params.values())).layers
        check_layers(self.layers, num_layers, "be in a group")
        check_layers(self.layers * (self.start - 1), num_layers, "learn from the beginning")  # one group more has the embeddings

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        yield
        if len(run.evaluations) == self.judged:
            return
        self.judged = len(run.evaluations)
        layers = next(iter(run.params.values())).layers
        lowest = 0 if self.embeddings else 1
        values = [scores[run.task.primary] for scores in run.evaluations[self.since :]]
        if layers - self.layers * self.groups >= lowest and stalled(values, run.task.higher_is_better, self.patience):
            self.groups, self.since = self.groups + 1, len(run.evaluations) - 1
            reached = max(lowest, layers - self.layers * self.groups + 1)
            below = "the embeddings" if reached == 0 else f"layer {reached}"
            run.say(f"thaw: no better {run.task.primary} in {counted(self.patience, 'evaluation')}, so all from {below} up learns now")


def stalled(values: list[float], higher_is_better: bool, patience: int) -> bool:
    """Whether none of the last ``patience`` of ``values`` is better than the best before them."""
    before, last = values[:-patience], values[-patience:]
    if not before:
        return False
    return max(last) <= max(before) if higher_is_better else min(last) >= min(before)
