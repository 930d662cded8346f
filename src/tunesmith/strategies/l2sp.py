"""L2-SP: weight decay towards the starting point instead of towards zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class L2SP(Strategy):
    """Holds the pre-trained weights near their starting point by a squared penalty, and the head near zero.

    Formula: loss + strength / 2 * ||w - w(0)||^2 + head_strength / 2 * ||v||^2, w pre-trained, v of the head, in place of weight decay.
    Use when: data are few and the pre-trained model is close to the task, or the tuned model must not forget much.
    Cost: memory x1.25 (a copy of every weight that learns, beside weight, gradient and two moments), time x1.05.
    Source: Li, Grandvalet and Davoine 2018, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", section 3, L2-SP.
    Differs: a weight is copied when it first learns, which is its starting point still; norms are never pulled to zero.
    """

    strength: float = setting(0.01, "penalty on the distance of pre-trained weights from where they started; 0 is none", low=0)
    head_strength: float = setting(0.01, "penalty on the size of the head's weights; 0 is none", low=0)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        strength = self.head_strength if param.kind == "head" else self.strength
        return replace(rule, decay=0.0) if strength else rule  # it takes the place of weight decay

    def begin(self, run: Run) -> None:
        self.start: dict[str, Tensor] = {}

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        learning = run.learning()
        body = {name: w for name, w in learning.items() if run.params[name].kind != "head"}
        head = [w for name, w in learning.items() if name not in body]
        if self.strength:
            # A weight that is new here has stood still until now, so this is its starting point even when it was unfrozen late.
            self.start.update({name: w.detach().clone() for name, w in body.items() if name not in self.start})
            distance = squared_distance((w, self.start[name]) for name, w in body.items())
            loss = loss.penalty("l2sp", self.strength / 2 * distance)
        if self.head_strength:
            size = squared_distance((w, torch.zeros_like(w)) for w in head)
            loss = loss.penalty("l2sp_head", self.head_strength / 2 * size)
        return loss


def squared_distance(pairs: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """The sum of (w - start)^2 over all elements of all pairs, as a scalar in float32; 0 for no pairs."""
    return sum(((w.float() - start.float()).square().sum() for w, start in pairs), torch.zeros(()))
