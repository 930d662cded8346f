"""SWA against torch's AveragedModel, when it takes weights, and what is shipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from tunesmith.core.clock import Span
from tunesmith.core.run import Run
from tunesmith.strategies.swa import SWA, take


def drift(run: Run) -> Callable[[], None]:
    """A weight update that adds random numbers to everything that learns."""

    def inner() -> None:
        with torch.no_grad():
            for w in run.learning().values():
                w.add_(torch.randn_like(w))

    return inner


def train(strategy: SWA, run: Run, after: Callable[[int], None] = lambda done: None) -> None:
    strategy.begin(run)
    for step in range(run.clock.total):
        run.clock = run.clock.at(step)
        strategy.step(run, drift(run))
        after(step + 1)


@pytest.mark.parametrize(
    ("start", "every", "taken"), [("50%", "5st", range(20, 41, 5)), ("2ep", "1ep", [20, 30, 40]), ("0%", "16st", [1, 17, 33])]
)
def test_the_average_is_that_of_torch(run: Run, start: str, every: str, taken: list[int]) -> None:
    reference = AveragedModel(run.model)

    def after(done: int) -> None:
        if done in taken:
            reference.update_parameters(run.model)

    strategy = SWA(Span.parse(start), Span.parse(every))
    train(strategy, run, after)
    assert strategy.taken == len(taken)
    for name, w in reference.module.named_parameters():
        torch.testing.assert_close(strategy.average[name], w, atol=1e-5, rtol=1e-5)


def test_the_average_is_in_place_only_inside_and_weights_return_exactly(run: Run) -> None:
    strategy = SWA()
    train(strategy, run)
    before = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    with strategy.finished(run):
        assert all(torch.equal(w, strategy.average[name]) for name, w in run.model.named_parameters())
    assert all(torch.equal(w, before[name]) for name, w in run.model.named_parameters())


def test_before_it_begins_the_weights_themselves_are_judged(run: Run) -> None:
    strategy = SWA(Span(50, "%"))
    strategy.begin(run)
    strategy.step(run, drift(run))
    assert strategy.memory() == {"average": {}, "taken": 0}
    before = run.model.classifier.bias.detach().clone()
    with strategy.finished(run):
        assert torch.equal(run.model.classifier.bias, before)


def test_100_per_cent_ships_the_last_weights(run: Run) -> None:
    strategy = SWA(Span(100, "%"))
    train(strategy, run)
    assert all(torch.equal(strategy.average[name], w) for name, w in run.model.named_parameters())


def test_a_weight_that_learns_late_stood_at_its_start_before(run: Run) -> None:
    strategy = SWA(Span(0, "%"), Span(1, "st"))
    strategy.begin(run)
    late = run.model.classifier.bias.requires_grad_(False)
    start = late.detach().clone()
    strategy.step(run, drift(run))
    late.requires_grad_(True)
    run.clock = run.clock.at(1)
    strategy.step(run, drift(run))
    torch.testing.assert_close(strategy.average["classifier.bias"], (start + late.detach()) / 2)


def test_take_makes_a_mean() -> None:
    average = {"w": torch.zeros(1)}
    for number, value in enumerate([3.0, 5.0, 10.0], start=1):
        take(average, {"w": torch.tensor([value])}, number)
    assert average["w"].tolist() == pytest.approx([6.0])
