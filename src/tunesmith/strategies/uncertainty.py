"""Uncertainty weighting: what each task weighs is learned with the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import APART, PLACE, Mixture
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.beside import learn_beside

BESIDE = "log_variances"  # the name under which they hang below the model


@dataclass
class Uncertainty(Strategy):
    """Weighs the loss of each task by the uncertainty that it has, one number for each task, which is learned.

    Formula: L = sum_t share_t (exp(-s_t) L_t + s_t / 2), s_t = log sigma_t^2, at first 0.
    Use when: the losses of the tasks are of different size and nobody knows their weights; long enough for the weights to move.
    Cost: memory x1, time x1; a number for each task, which is in checkpoints and not in what is shipped.
    Source: Kendall et al. 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics", equation 10.
    Differs: the loss of a regression is not halved; the numbers have a rate of their own, since the rate of a pre-trained model is small.
    """

    rate: float = setting(100.0, "learning rate of the numbers, as a multiple of that of the model", above=0)

    needs: ClassVar[frozenset[str]] = frozenset({APART})
    owns: ClassVar[frozenset[str]] = frozenset({"what tasks weigh"})

    def begin(self, run: Run) -> None:
        self._scales: nn.ParameterDict | None = None
        assert isinstance(run.task, Mixture)
        if len(run.task.members) == 1:
            run.say("uncertainty: there is one task, and nothing to weigh it against: nothing is done")
            return
        self._names = list(run.task.members)
        self._scales = nn.ParameterDict({str(number): torch.zeros(()) for number in range(len(self._names))})
        learn_beside(run, BESIDE, self._scales)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        ours = param.name.startswith(f"{BESIDE}.")
        return replace(rule, learns=True, rate=self.rate, decay=0.0) if ours else rule

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._scales is None:
            return loss
        name = str(batch.notes[PLACE])
        return weighed(loss, self._scales[str(self._names.index(name))])


def weighed(loss: Loss, log_variance: Tensor) -> Loss:
    """exp(-s) L + s / 2 as the mean of the loss, where s is ``log_variance``, a scalar; shares of it are scaled alike."""
    factor = torch.exp(-log_variance)
    parts = {name: part * factor.detach() for name, part in loss.parts.items()}
    return replace(loss, sum=loss.sum * factor, parts=parts).penalty("uncertainty", log_variance / 2)
