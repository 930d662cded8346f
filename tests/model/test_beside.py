"""A module beside a model learns and is checkpointed, and is no part of what is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.beside import learn_beside


@dataclass
class _Scale(Strategy):
    """Multiplies the loss by a number that learns."""

    def begin(self, run: Run) -> None:
        self._part = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self._part.weight, 1.5)
        learn_beside(run, "scale", self._part)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        return inner(batch).penalty("scale", self._part(torch.ones(1)).square().sum())


def test_it_learns_and_is_not_saved() -> None:
    strategy = _Scale()
    fitted = tiny_fit(None, [strategy], steps=4)
    assert strategy._part.weight.item() < 1.5
    assert "scale.weight" in fitted.run.touched
    assert fitted.run.params["scale.weight"].added
    assert fitted.run.params["scale.weight"].head
    assert not any("scale" in name for name in fitted.run.model.state_dict())
