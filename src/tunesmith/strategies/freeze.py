"""Freezing: the lower part of the model keeps its pre-trained weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tunesmith.core.clock import Clock
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.surgery import check_layers, matching, summary


@dataclass
class Freeze(Strategy):
    """Keeps the first layers, or any parameters by name, as they were pre-trained.

    Formula: w(t) = w(0) for every w with depth(w) <= k, k = layers or round(fraction * L); the embeddings have depth 0.
    Use when: data are few, or time is: with the lower half frozen most tasks lose little, and early layers hold general knowledge.
    Cost: memory x0.3 to x1 (no gradient and no optimizer state for what is frozen, no activations below the frontier), time x0.4 to x1.
    Source: Lee, Tang and Lin 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning" (arXiv 1911.03090).
    Differs: the paper freezes embeddings and the first k layers; here the embeddings are a setting; norms and names can be given too.
    """

    layers: int = setting(0, "how many layers do not learn, counted from the bottom", low=0)
    fraction: float = setting(0.0, "the same as a share of all layers, 0 to 1", low=0, high=1)
    patterns: list[str] = setting(factory=list, text="names of parameters that do not learn: a part of the name, or a pattern with * and ?")
    embeddings: bool | None = setting(None, "whether the embeddings are frozen; when not said: if any layer is")

    norms: bool = setting(False, "whether the normalisation layers do not learn, at any depth")

    applies: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {"fraction": ("layers", (0,))}

    def __post_init__(self) -> None:
        self._named: frozenset[str] = frozenset()

    @classmethod
    def example(cls) -> Freeze:
        return cls(layers=1)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, learns=False) if self._covers(param) else rule

    def begin(self, run: Run) -> None:
        num_layers = next(iter(run.params.values())).layers
        check_layers(self.layers, num_layers, "be frozen")
        self._named = frozenset(matching(run.params, self.patterns)) if self.patterns else frozenset()
        frozen = [param for param in run.params.values() if self._covers(param)]
        nothing = "freeze: nothing is frozen; give layers, fraction, norms or patterns"
        run.say(f"freeze: {summary(frozen)} do not learn" if frozen else nothing)

    def _covers(self, param: Param) -> bool:
        layers = self.layers or share_of_layers(self.fraction, param.layers)
        embeddings = layers > 0 if self.embeddings is None else self.embeddings
        return below(param.depth, layers, embeddings) or param.name in self._named or (self.norms and param.kind == "norm")


def below(depth: int, layers: int, embeddings: bool) -> bool:
    """Whether ``depth`` is among the first ``layers`` layers, or among the embeddings (depth 0) where these count."""
    return 1 <= depth <= layers or (depth == 0 and embeddings)


def share_of_layers(fraction: float, layers: int) -> int:
    """``fraction`` of ``layers`` as a number of layers, rounded to the nearest."""
    return int(fraction * layers + 0.5)
