"""AutoFreeze: its measure against autograd, its rule against hand numbers, and decisions at intervals alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.loss import Loss
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.strategies.auto_freeze import AutoFreeze, changed, lengths, settled


def test_lengths_are_norms_of_each_depth(run: Run, batch: Batch, backward: Callable[[Sequence[Batch]], Loss]) -> None:
    backward([batch])
    found = lengths(run)
    assert list(found) == [0, 1, 2, 3]
    layer = torch.cat([w.grad.flatten() for name, w in run.model.named_parameters() if name.startswith("layers.1.")])
    assert found[2] == pytest.approx(float(layer.norm()))


@pytest.mark.parametrize(
    ("change", "frozen", "percentile", "expected"),
    [
        ({0: 0.1, 1: 0.2, 2: 0.8, 3: 0.9}, 0, 50.0, 2),  # the median is 0.5
        ({0: 0.9, 1: 0.1, 2: 0.2, 3: 0.3}, 0, 50.0, 0),  # what is above one that learns never freezes
        ({2: 0.1, 3: 0.9}, 2, 50.0, 3),
        ({0: 0.1, 1: 0.2}, 0, 0.0, 0),
        ({}, 1, 50.0, 1),
        ({0: float("inf"), 1: 0.1}, 0, 100.0, 0),
    ],
)
def test_the_rule(change: dict[int, float], frozen: int, percentile: float, expected: int) -> None:
    assert settled(change, frozen, percentile) == expected


def test_the_change_is_relative_to_the_interval_before() -> None:
    assert changed(2.0, 1.5) == 0.25
    assert changed(0.0, 1.0) == float("inf")


def test_decisions_come_at_intervals_and_are_told(run: Run, said: list[str]) -> None:
    strategy = AutoFreeze(every=Span(2, "st"), percentile=60.0, keep=1)
    strategy.begin(run)
    steps = [{0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}, {0: 1.05, 1: 1.1, 2: 2.0, 3: 3.0}, {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}]
    frozen = []
    for step in range(6):
        for depth, length in steps[step // 2].items():
            strategy.sums[str(depth)] = strategy.sums.get(str(depth), 0.0) + length
        run.clock = run.clock.at(step)
        strategy.step(run, lambda: None)
        frozen.append(strategy.frozen)
    assert frozen == [0, 0, 0, 2, 2, 2]
    assert said == ["auto_freeze: the embeddings and layers up to 1 no longer learn: the length of their gradients changes least (10%)"]
    learning = {param.depth for param in run.params.values() if strategy.plan(param, Rule(), run.clock).learns}
    assert learning == {2, 3, 4}


def test_the_top_never_freezes(run: Run) -> None:
    strategy = AutoFreeze(every=Span(1, "st"), percentile=100.0, keep=2)
    strategy.begin(run)
    for length in (1.0, 1.0):
        strategy.sums = {str(depth): length + 0.01 * depth for depth in range(4)} | {"3": 9 * length}
        strategy.before = {str(depth): 1.0 for depth in range(4)}
        strategy.step(run, lambda: None)
    assert strategy.frozen == 2  # of the embeddings and three layers


def test_gradients_are_summed_and_passed_on(run: Run, batch: Batch, backward: Callable[[Sequence[Batch]], Loss]) -> None:
    strategy = AutoFreeze()
    strategy.begin(run)
    strategy.gradient([batch], run, backward)
    once = dict(strategy.sums)
    strategy.gradient([batch], run, backward)
    assert strategy.sums == pytest.approx({depth: 2 * length for depth, length in once.items()})
