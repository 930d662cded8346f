"""Chain-thaw: the head learns, then each layer alone from the bottom up, then everything."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tunesmith.core.clock import Clock, Span
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class ChainThaw(Strategy):
    """Trains one part of the model at a time: the head, then the embeddings and each layer from the bottom up, and all together at last.

    Formula: in phase p = step // phase: depth L + 1 learns for p = 0, depth p - 1 alone for 1 <= p <= L + 1, and all from L + 2 on.
    Use when: data are few and the model is not deep: each layer finds its place while the others stand still, which over-fits less.
    Cost: memory x0.3 to x1 (gradients of one layer at a time), time x0.6: what lies below the layer that learns is computed once a row.
    Source: Felbo et al. 2017, "Using millions of emoji occurrences to learn any-domain representations", section 3.3.
    Differs: phases end after a time, where the paper waits until validation no longer gains in each.
    """

    every: Span | None = setting(None, "time of each phase: 1ep, 200st; when not said: all phases are of one length")
    embeddings: bool = setting(True, "whether the embeddings have a phase and learn at last")

    @classmethod
    def example(cls) -> ChainThaw:
        return cls(every=Span(1, "st"))

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        place = thawed(clock.step, self._length(param.layers, clock), param.layers, self.embeddings)
        learns = param.depth == place if place is not None else self.embeddings or param.depth > 0
        return replace(rule, learns=rule.learns and learns)

    def begin(self, run: Run) -> None:
        layers = next(iter(run.params.values())).layers
        length = self._length(layers, run.clock)
        if thawed(run.clock.total - 1, length, layers, self.embeddings) is not None:
            needed = phases(layers, self.embeddings) * length
            begins = f"only after {needed - length} steps, which is later than the run ends"
            run.say(f"chain_thaw: everything learns together {begins}; shorten 'every'")

    def _length(self, layers: int, clock: Clock) -> int:
        equal = clock.total // phases(layers, self.embeddings)
        return max(1, equal if self.every is None else self.every.steps(clock))


def phases(layers: int, embeddings: bool) -> int:
    """How many phases there are: the head, the embeddings where they learn, each layer, and all together."""
    return layers + 2 + embeddings


def thawed(step: int, length: int, layers: int, embeddings: bool) -> int | None:
    """The depth that learns alone at ``step`` when a phase has ``length`` steps; None in the last one, when everything does."""
    phase = step // length
    if phase == 0:
        return layers + 1
    depth = phase - 1 + (not embeddings)
    return depth if depth <= layers else None
