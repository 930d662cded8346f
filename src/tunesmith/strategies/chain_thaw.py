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

    every: Span | None = setting(
        None, "time of each phase: 1ep, 200st; when not said: a third of the run for the head, one for the layers in turn"
    )
    embeddings: bool = setting(True, "whether the embeddings have a phase and learn at last")

    @classmethod
    def example(cls) -> ChainThaw:
        return cls(every=Span(1, "st"))

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        place = thawed(clock.step, *self._lengths(param.layers, clock), param.layers, self.embeddings)
        learns = param.depth == place if place is not None else self.embeddings or param.depth > 0
        return replace(rule, learns=rule.learns and learns)

    def begin(self, run: Run) -> None:
        layers = next(iter(run.params.values())).layers
        head, each = self._lengths(layers, run.clock)
        if thawed(run.clock.total - 1, head, each, layers, self.embeddings) is not None:
            begins = f"only after {head + each * (layers + self.embeddings)} steps, which is later than the run ends"
            run.say(f"chain_thaw: everything learns together {begins}; shorten 'every'")

    def _lengths(self, layers: int, clock: Clock) -> tuple[int, int]:
        """Steps of the head's phase, and of each phase between it and the last."""
        if self.every is not None:
            return self.every.steps(clock), self.every.steps(clock)
        third = max(1, clock.total // 3)
        return third, max(1, third // (layers + self.embeddings))


def thawed(step: int, head: int, each: int, layers: int, embeddings: bool) -> int | None:
    """The depth that learns alone at ``step`` when the head has ``head`` steps and what follows has ``each``; None in the last phase,
    when everything learns."""
    if step < head:
        return layers + 1
    depth = (step - head) // each + (not embeddings)
    return depth if depth <= layers else None
