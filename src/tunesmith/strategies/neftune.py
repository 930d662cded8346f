"""NEFTune: noise on the input embeddings while training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.perturb import changing, check_embeddings, uniform


@dataclass
class NEFTune(Strategy):
    """Adds uniform noise to the input embeddings of every training pass.

    Formula: x' = x + alpha / sqrt(L * d) * e, each element of e uniform in [-1, 1], L real positions of d elements.
    Use when: a language model is tuned on few instructions: answers become longer and less memorised; classifiers gain little.
    Cost: memory x1, time x1.01.
    Source: Jain et al. 2023, "NEFTune: Noisy Embeddings Improve Instruction Finetuning", algorithm 1.
    Differs: padding gets no noise and is not counted in L, so that the noise of a text does not depend on what it is batched with.
    """

    alpha: float = setting(5.0, "size of the noise; 5 to 15 in the paper, 0 is none", low=0)

    perturbs: ClassVar[bool] = True

    def begin(self, run: Run) -> None:
        check_embeddings(run.model, "neftune")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if not self.alpha:
            return inner(batch)
        with changing(run.model, lambda embedded, real: noisy(embedded, real, self.alpha)):
            return inner(batch)


def noisy(embedded: Tensor, real: Tensor, alpha: float) -> Tensor:
    """``embedded`` (batch, length, width) with noise at its real positions, where ``real`` (batch, length, 1) is 1."""
    return embedded + uniform(torch.empty_like(embedded), real, alpha)
