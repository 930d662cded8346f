"""SMART: predictions must not change near the inputs, nor jump from step to step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.chance import seed_all
from tunesmith.model.divergence import scores, symmetric_divergence, weighted
from tunesmith.model.perturb import TINY, Perturbation, check_embeddings, uniform
from tunesmith.model.substitute import substituted


@dataclass
class SMART(Strategy):
    """Asks for the same predictions at the worst point near the input embeddings, and near those of the averaged model before.

    Formula: L + strength * max D(f(x), f(x + d)) over |d| <= radius + proximal * D(f(x), f~(x)), D: symmetric KL, f~: averaged weights.
    Use when: data are few and a classifier over-fits; it needs no labels for its term, so it suits noisy ones too.
    Cost: memory x2, time x3 (plain, ascent, adversarial pass); proximal: memory x2.25, time x3.3.
    Source: Jiang et al. 2020, "SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language Models", equations 1 to 4.
    Differs: ascent follows the gradient divided by its largest element, as in the authors' code; all passes share their dropout masks.
    """

    strength: float = setting(1.0, "lambda, the weight of smoothness; 1 to 10 is usual, 0 is none", low=0)
    radius: float = setting(0.01, "largest change of an element of the embeddings", above=0)
    num_steps: int = setting(1, "steps of the adversary", low=1)
    proximal: float = setting(0.0, "mu, the weight of the divergence from the averaged model; 1 in the paper, 0 is none", low=0)
    momentum: float = setting(0.99, "beta, share of the average that stays at each step", low=0, high=0.9999)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    perturbs: ClassVar[bool] = True

    @classmethod
    def example(cls) -> SMART:
        return cls(radius=0.1, proximal=1.0)

    def begin(self, run: Run) -> None:
        check_embeddings(run.model, "smart")
        self.average: dict[str, Tensor] = {}

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if not self.strength and not self.proximal:
            return inner(batch)
        seed = int(torch.randint(2**62, ()))  # drawn, so that an outer strategy's second pass has other masks

        def again() -> Loss:
            seed_all(seed)
            return inner(batch)

        loss = again()
        logits, targets = scores(loss, "smart")
        apart = partial(symmetric_divergence, targets=targets)
        added: dict[str, Tensor] = {}
        if self.strength:
            adversarial = self._adversarial(again, run, lambda other: apart(other, logits.detach()).sum())
            added["smart"] = self.strength * weighted(apart(adversarial, logits), loss)
        if self.proximal and self.average:
            with torch.no_grad(), substituted(run.model, self.average):
                before, _ = scores(again(), "smart")
            added["smart_proximal"] = self.proximal * weighted(apart(before, logits), loss)
        for name, term in added.items():
            loss = loss.plus(name, term)
        return loss

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        # A weight that learns for the first time still stands at its start.
        self.average.update({name: w.detach().clone() for name, w in run.learning().items() if self.proximal and name not in self.average})
        inner()
        follow(self.average, dict(run.model.named_parameters()), self.momentum)

    def _adversarial(self, again: Callable[[], Loss], run: Run, apart: Callable[[Tensor], Tensor]) -> Tensor:
        """The logits where they are farthest from the plain ones."""
        adversary = Perturbation(partial(uniform, radius=self.radius, generator=run.generator("smart")))
        for _ in range(self.num_steps):
            with adversary.on(run.model):
                found, _ = scores(again(), "smart")
            gradients = torch.autograd.grad(apart(found), adversary.added, allow_unused=True) if adversary.added else ()
            for delta, gradient in zip(adversary.added, gradients, strict=True):
                delta.grad = gradient
            adversary.move(partial(ascended, radius=self.radius))
        adversary.added = [delta.detach() for delta in adversary.added]
        with adversary.on(run.model):
            return scores(again(), "smart")[0]


def ascended(delta: Tensor, gradient: Tensor, radius: float) -> Tensor:
    """``delta`` (batch, ...) moved along the gradient of each item by ``radius`` in its largest element, and cut at ``radius``."""
    largest = gradient.abs().flatten(1).amax(dim=1).view(-1, *[1] * (gradient.dim() - 1))
    return (delta + radius * gradient / (largest + TINY)).clamp(-radius, radius)


@torch.no_grad()
def follow(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], momentum: float) -> None:
    """Move each tensor of ``average``, in place, by the share 1 - ``momentum`` of the way to the tensor of that name in ``weights``."""
    for name, tensor in average.items():
        tensor.lerp_(weights[name], 1 - momentum)
