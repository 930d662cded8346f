"""Gradient clipping: no single step may be too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class Clip(Strategy):
    """Shrinks the gradient of a step when it is longer than a limit, or cuts each of its elements.

    Formula: g * min(1, norm / ||g||) over all weights together; by value: max(-value, min(value, g)) for each element.
    Use when: the loss has spikes, the batch is small, or a fresh head meets pre-trained layers; a norm of 1 is usual for transformers.
    Cost: memory x1, time x1.01.
    Source: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1; Mikolov 2012.
    Differs: the norm is that of the mean gradient of the whole batch, over all micro-batches and ranks; value is applied before norm.
    """

    norm: float | None = setting(None, "longest gradient, as its Euclidean norm; 1 where value is not given either", above=0)
    value: float | None = setting(None, "largest size of an element of the gradient", above=0)

    shardable: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Clip:
        return cls(norm=0.1)

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        weights = list(run.learning().values())
        norm = 1.0 if self.norm is None and self.value is None else self.norm
        if self.value is not None:
            clip_grad_value_(weights, self.value)
        if norm is not None:
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            length = get_total_norm(gradients)
            if not length <= norm:  # a pass over all gradients that most steps do without
                clip_grads_with_norm_(weights, norm, length)
        return loss
