"""Surgical fine-tuning: its measure against the formula, the choice, and who learns before and after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.loss import Loss
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.surgical import Surgical, largest, relative_gradients


def test_the_ratio_is_that_of_the_formula(run: Run, batch: Batch, backward: Callable[[Sequence[Batch]], Loss]) -> None:
    backward([batch])
    own = {name: w for name, w in run.model.named_parameters() if name.startswith("layers.2.")}
    gradient = torch.cat([w.grad.flatten() for w in own.values()]).norm()
    weights = torch.cat([w.detach().flatten() for w in own.values()]).norm()
    found = relative_gradients(run)
    assert list(found) == [0, 1, 2, 3]
    assert found[3] == pytest.approx(float(gradient / weights))


def test_the_largest_are_chosen() -> None:
    assert largest({0: 0.1, 1: 0.5, 2: 0.3, 3: 0.5}, 1) == [1]
    assert largest({0: 0.1, 1: 0.5, 2: 0.3, 3: 0.5}, 3) == [1, 2, 3]


def test_measured_first_then_one_block_and_the_head_learn(
    run: Run, batch: Batch, backward: Callable[[Sequence[Batch]], Loss], said: list[str]
) -> None:
    strategy = Surgical(probe=Span(2, "st"))
    strategy.begin(run)
    assert strategy.plan(run.params["layers.0.mlp.weight"], Rule(), run.clock) == Rule(rate=0.0)
    assert strategy.plan(run.params["classifier.weight"], Rule(), run.clock) == Rule()
    for step in range(3):
        run.clock = run.clock.at(step)
        strategy.gradient([batch], run, backward)
        strategy.step(run, lambda: None)
        assert bool(strategy.chosen) == (step >= 1)
    best = max(found := relative_gradients(run), key=lambda depth: found[depth])  # the same batch and weights at each step
    assert strategy.chosen == [best]
    learning = {param.depth for param in run.params.values() if strategy.plan(param, Rule(), run.clock).learns}
    assert learning == {best, 4}
    assert len(said) == 1
    assert f"{found[best]:.2g}" in said[0]
