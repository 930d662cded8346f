"""Layer-wise learning rates: lower layers learn more slowly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.surgery import check_layers


@dataclass
class LayerRates(Strategy):
    """Gives each layer its own multiple of the learning rate, smaller the lower it is, and the head one of its own.

    Formula: rate(w) = rate * decay^(L + 1 - depth(w)) in layers and embeddings, rate * head in the head.
    Use when: full fine-tuning is unstable or forgets; low layers are general and need small changes. decay 0.8 to 0.95 suits 12 layers.
    Cost: memory x1, time x1.
    Source: Howard and Ruder 2018, ULMFiT, section 3.2 (decay 1/2.6); Clark et al. 2020, ELECTRA, appendix B (decay 0.8 and 0.9).
    Differs: ELECTRA gives a pooler one step of the decay and its top layer two; here all of the head has none and the top layer one.
    """

    decay: float = setting(0.9, "multiple from each layer to the one below, above 0 to 1; 1 changes nothing", above=0, high=1)
    head: float = setting(1.0, "multiple of the head", above=0)
    groups: list[float] = setting(
        factory=list, text="instead of decay: multiples of equally large groups of layers, the lowest group first"
    )

    applies: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {"decay": ("groups", ([],))}

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, rate=rule.rate * self._multiple(param))

    def begin(self, run: Run) -> None:
        num_layers = next(iter(run.params.values())).layers
        check_layers(len(self.groups), num_layers, "have a rate each")
        if any(multiple <= 0 for multiple in self.groups):
            raise InputError(Problem("layer_rates: a group's multiple must be above 0", "To stop layers from learning use freeze"))

    def _multiple(self, param: Param) -> float:
        if param.head:
            return self.head
        if self.groups:
            return group_rate(param.depth, param.layers, self.groups)
        return layer_decay(param.depth, param.layers, self.decay)


def layer_decay(depth: int, layers: int, decay: float) -> float:
    """``decay`` to the power of the distance from the head, which stands at depth ``layers`` + 1."""
    return decay ** (layers + 1 - depth)


def group_rate(depth: int, layers: int, multiples: Sequence[float]) -> float:
    """The multiple of the group that holds ``depth``, 0 to ``layers``, when the layers are cut into equal groups from the bottom up.

    The embeddings (depth 0) go with the lowest group.
    """
    return multiples[max(0, depth - 1) * len(multiples) // layers]
