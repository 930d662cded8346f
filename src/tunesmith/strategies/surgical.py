"""Surgical fine-tuning: the one block whose weights the data pull at most is tuned, and the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

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
class Surgical(Strategy):
    """Measures how large the gradients of each layer are beside its weights, and tunes the layers where they are largest.

    Formula: r(l) = mean over the first steps of ||g(l)|| / ||w(l)||; the ``blocks`` depths with the largest r learn from then on.
    Use when: data are few and differ from pre-training in one way: in their words (low layers) or in what is asked (high layers).
    Cost: memory x0.4 and time x0.5 to x0.9 after the first steps, by how low the block lies; x1 before.
    Source: Lee et al. 2023, "Surgical Fine-Tuning Improves Adaptation to Distribution Shifts", section 4.2 (relative gradient norm).
    Differs: the head learns all the time, and while layers are measured it alone does: through a random head their gradients say little.
    """

    probe: Span = setting(Span(10, "%"), "how long is measured: 10%, 0.5ep, 20st")
    blocks: int = setting(1, "how many layers are tuned; the embeddings count as one", low=1)

    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn"})
    foresees: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.chosen: list[int] = []
        self.ratios: dict[str, float] = {}

    @classmethod
    def example(cls) -> Surgical:
        return cls(probe=Span(2, "st"))

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        if param.head or param.depth in self.chosen:
            return rule
        # While it is measured, a layer has gradients and a rate of 0.
        return replace(rule, learns=False) if self.chosen else replace(rule, rate=0.0)

    def begin(self, run: Run) -> None:
        self.__post_init__()  # a strategy that was used before begins anew
        check_layers(self.blocks - 1, next(iter(run.params.values())).layers, "be tuned beside the embeddings")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        if not self.chosen:
            for depth, ratio in relative_gradients(run).items():
                self.ratios[str(depth)] = self.ratios.get(str(depth), 0.0) + ratio
        return loss

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        steps = max(1, self.probe.steps(run.clock))
        if self.chosen or run.clock.step + 1 < steps:
            return
        mean = {int(depth): total / (run.clock.step + 1) for depth, total in self.ratios.items()}
        self.chosen = largest(mean, self.blocks)
        table = ", ".join(f"{'embeddings' if depth == 0 else depth} {ratio:.2g}" for depth, ratio in mean.items())
        names = ["the embeddings" if depth == 0 else f"layer {depth}" for depth in self.chosen]
        run.say(f"surgical: {' and '.join(names)} and the head learn; gradients beside weights: {table}")


@torch.no_grad()
def relative_gradients(run: Run) -> dict[int, float]:
    """||gradient|| / ||weights|| of all that learns at each depth below the head."""
    gradients: dict[int, list[torch.Tensor]] = {}
    weights: dict[int, list[torch.Tensor]] = {}
    for name, weight in run.learning().items():
        if weight.grad is not None and not run.params[name].head:
            gradients.setdefault(run.params[name].depth, []).append(weight.grad)
            weights.setdefault(run.params[name].depth, []).append(weight)
    norm = torch.nn.utils.get_total_norm
    return {depth: float(norm(gradients[depth]) / norm(weights[depth]).clamp_min(1e-12)) for depth in sorted(gradients)}


def largest(ratios: Mapping[int, float], count: int) -> list[int]:
    """The ``count`` keys of the largest values, in order of the keys."""
    return sorted(sorted(ratios, key=lambda depth: (-ratios[depth], depth))[:count])
