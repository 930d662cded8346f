"""Synaptic intelligence: the path integral by hand, what is held in the next stage, and within one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Past
from tunesmith.strategies.si import SI, earned

Inner = Callable[[Sequence[Batch]], Loss]
NAME = "classifier.bias"


def take_steps(strategy: SI, run: Run, batch: Batch, backward: Inner, steps: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Plain gradient descent; returns (gradient, change) of the classifier's bias at each step."""
    seen = []

    def update() -> None:
        with torch.no_grad():
            for w in run.model.parameters():
                w.sub_(0.1 * w.grad)

    for _ in range(steps):
        strategy.gradient([batch], run, backward)
        before, gradient = run.model.classifier.bias.detach().clone(), run.model.classifier.bias.grad.clone()
        strategy.step(run, update)
        seen.append((gradient, run.model.classifier.bias.detach() - before))
        run.clock = run.clock.tick(1, 1)
    return seen


def test_the_path_integral_is_minus_gradient_times_change(run: Run, batch: Batch, backward: Inner) -> None:
    strategy = SI()
    strategy.begin(run)
    seen = take_steps(strategy, run, batch, backward)
    torch.testing.assert_close(strategy.path[NAME], -sum(gradient * change for gradient, change in seen))
    assert (strategy.path[NAME] >= 0).all()  # plain descent: -g * (-0.1 g)
    assert not strategy.importance


def test_the_next_stage_holds_what_this_one_learned(run: Run, batch: Batch, backward: Inner, objective: Callable[[Batch], Loss]) -> None:
    first, second = SI(), SI(strength=2.0, damping=0.5)
    first.begin(run)
    start = run.model.classifier.bias.detach().clone()
    take_steps(first, run, batch, backward)
    second.inherit(Past((), first.memory()))
    second.begin(run)
    here = run.model.classifier.bias.detach().clone()
    torch.testing.assert_close(second.importance[NAME], first.path[NAME] / ((here - start).square() + 0.5))
    assert torch.equal(second.held[NAME], here)
    with torch.no_grad():
        run.model.classifier.bias.add_(0.3)
    plain = Loss(torch.tensor(0.0), 4.0)
    expected = 4 * 2.0 * (second.importance[NAME] * 0.3**2).sum()
    torch.testing.assert_close(second.loss(batch, run, lambda _: plain).sum, expected.detach(), check_stride=False)


def test_a_third_stage_holds_both(run: Run, batch: Batch, backward: Inner) -> None:
    first, second, third = SI(), SI(), SI()
    first.begin(run)
    take_steps(first, run, batch, backward)
    second.inherit(Past((), first.memory()))
    second.begin(run)
    take_steps(second, run, batch, backward)
    third.inherit(Past((), second.memory()))
    third.begin(run)
    moved = run.model.classifier.bias.detach() - second.start[NAME]
    torch.testing.assert_close(third.importance[NAME], second.importance[NAME] + earned(second.path[NAME], moved, 0.1))


def test_an_adapter_that_begins_anew_is_not_held(run: Run, said: list[str], batch: Batch, backward: Inner) -> None:
    first = SI()
    first.begin(run)
    take_steps(first, run, batch, backward)
    run.params = {name: replace(param, added=True) for name, param in run.params.items()}
    second = SI()
    second.inherit(Past((), first.memory()))
    second.begin(run)
    assert sorted(second.importance) == sorted(second.held) == sorted(name for name, param in run.params.items() if param.head)
    assert said[0].endswith("so only what else learned is held of the stages before")
    run.params = {name: replace(param, depth=1) for name, param in run.params.items()}
    second.begin(run)
    assert not second.importance
    assert said[1].endswith("so nothing is held of the stages before")


def test_within_a_stage_what_was_learned_is_held_every_so_often(run: Run, batch: Batch, backward: Inner) -> None:
    strategy = SI(every=Span(2, "st"))
    strategy.begin(run)
    take_steps(strategy, run, batch, backward, steps=2)
    assert torch.equal(strategy.held[NAME], run.model.classifier.bias.detach())
    assert not strategy.path[NAME].any()
    assert strategy.importance[NAME].any()


def test_a_weight_that_did_harm_has_no_importance() -> None:
    found = earned(torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 2.0]), 0.5)
    assert found.tolist() == pytest.approx([0.0, 1 / 4.5])
