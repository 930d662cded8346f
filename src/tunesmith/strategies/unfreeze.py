"""Gradual unfreezing: the model learns from the top down, one group of layers after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.surgery import check_layers


@dataclass
class Unfreeze(Strategy):
    """Begins with the head alone and lets the next lower group of layers learn each time a span has passed.

    Formula: w with depth(w) learns at step t if depth(w) > L - layers * (start + groups(t)), groups(t) = spans that have passed.
    Use when: data are few and a fresh head would send large, random gradients into good layers; several epochs are affordable.
    Cost: memory x0.3 rising to x1, time x0.4 rising to x1: what is still frozen needs no gradients.
    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification" (ULMFiT), section 3.3.
    Differs: the span need not be an epoch, and a group may have several layers; the embeddings count as the lowest layer. When nothing is
    said, the last group joins at half of the run, where the paper waits an epoch for each.
    """

    every: Span | list[Span] | None = setting(
        None,
        "time until the next group learns (of a list each has one, the last repeats); when not said: all learn after half the run",
    )
    layers: int = setting(1, "layers in a group", low=1)
    start: int = setting(0, "groups that learn from the beginning, beside the head", low=0)
    embeddings: bool = setting(True, "whether the embeddings learn at last")

    def __post_init__(self) -> None:
        given = self.every if isinstance(self.every, list) or self.every is None else [self.every]
        self._spans = None if given is None else [Span.parse(text) for text in given]
        if self._spans == []:
            raise InputError(Problem("unfreeze: 'every' is an empty list", "Give a time, like 1ep, or one for each group"))

    @classmethod
    def example(cls) -> Unfreeze:
        return cls(every=Span(2, "st"))

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        learns = param.depth > self._frontier(param.layers, clock) and (param.depth > 0 or self.embeddings)
        return rule if learns else replace(rule, learns=False)

    def begin(self, run: Run) -> None:
        num_layers = next(iter(run.params.values())).layers
        check_layers(self.layers, num_layers, "be in a group")
        check_layers(self.layers * self.start, num_layers, "learn from the beginning")
        last = self._frontier(num_layers, run.clock.at(run.clock.total - 1))
        if last > 0 or (last == 0 and self.embeddings):
            run.say(
                f"unfreeze: the run ends with {last} of {num_layers} layers and the embeddings still frozen; shorten 'every' to reach them"
            )

    def _frontier(self, layers: int, clock: Clock) -> int:
        """The highest depth that is still frozen; -1 when none is."""
        waits = [self._share(layers, clock)] if self._spans is None else [span.steps(clock) for span in self._spans]
        groups = self.start + groups_due(clock.step, waits)
        return max(-1, layers - self.layers * groups)

    def _share(self, layers: int, clock: Clock) -> int:
        """The steps between two groups when the last is to join at half of the run."""
        groups = math.ceil((layers + self.embeddings) / self.layers) - self.start
        return clock.total // (2 * max(1, groups))


def groups_due(step: int, waits: Sequence[int]) -> int:
    """How many groups are due after ``step`` steps, when ``waits[i]`` steps lie before group i and the last wait repeats.

    A last wait of 0 steps counts as 1, or all groups would be due at once.
    """
    groups = 0
    for wait in waits[:-1]:
        if step < wait:
            return groups
        step, groups = step - wait, groups + 1
    return groups + step // max(1, waits[-1])
