"""Lookahead against algorithm 1 of the paper, written out around an optimizer of torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tunesmith.core.run import Run
from tunesmith.strategies.lookahead import Lookahead, call_back


def update(optimizer: torch.optim.Optimizer, model: nn.Module, seed: int) -> Callable[[], None]:
    """A step of the optimizer on gradients that depend on the weights and on ``seed``."""

    def inner() -> None:
        generator = torch.Generator().manual_seed(seed)
        for w in model.parameters():
            w.grad = w.detach() + torch.randn(w.shape, generator=generator) if w.requires_grad else None
        optimizer.step()

    return inner


@pytest.mark.parametrize(("num_steps", "alpha"), [(3, 0.5), (2, 0.8)])
def test_it_follows_algorithm_1(run: Run, toy: nn.Module, num_steps: int, alpha: float) -> None:
    reference = type(toy)()
    reference.load_state_dict(toy.state_dict())
    ours, theirs = (torch.optim.Adam(model.parameters(), lr=0.1) for model in (toy, reference))
    slow = [w.detach().clone() for w in reference.parameters()]
    strategy = Lookahead(num_steps, alpha)
    strategy.begin(run)
    for step in range(7):
        run.clock = run.clock.at(step)
        strategy.step(run, update(ours, toy, step))
        update(theirs, reference, step)()
        if (step + 1) % num_steps == 0:
            with torch.no_grad():
                slow = [s + alpha * (w - s) for s, w in zip(slow, reference.parameters(), strict=True)]
                for s, w in zip(slow, reference.parameters(), strict=True):
                    w.copy_(s)
    for s, w, (name, found) in zip(slow, reference.parameters(), toy.named_parameters(), strict=True):
        torch.testing.assert_close(found, w)
        torch.testing.assert_close(strategy.slow[name], s)


def test_the_slow_weights_are_shipped_and_the_fast_ones_return(run: Run, toy: nn.Module) -> None:
    strategy = Lookahead(5)
    strategy.begin(run)
    start = {name: w.detach().clone() for name, w in toy.named_parameters()}
    strategy.step(run, update(torch.optim.SGD(toy.parameters(), lr=0.1), toy, 0))
    fast = {name: w.detach().clone() for name, w in toy.named_parameters()}
    with strategy.finished(run):
        assert all(torch.equal(w, start[name]) for name, w in toy.named_parameters())
    assert all(torch.equal(w, fast[name]) for name, w in toy.named_parameters())
    assert not torch.equal(fast["classifier.weight"], start["classifier.weight"])


def test_what_learns_no_more_stays_where_it_is(run: Run, toy: nn.Module) -> None:
    strategy, optimizer = Lookahead(2), torch.optim.SGD(toy.parameters(), lr=0.1)
    strategy.begin(run)
    strategy.step(run, update(optimizer, toy, 0))
    frozen = toy.classifier.bias.requires_grad_(False)
    before = frozen.detach().clone()
    run.clock = run.clock.at(1)
    strategy.step(run, update(optimizer, toy, 1))
    assert torch.equal(frozen, before)
    assert "classifier.bias" not in strategy.slow


def test_alpha_1_leaves_the_weights_to_the_bit() -> None:
    slow, fast = {"w": torch.randn(50)}, {"w": torch.randn(50)}
    before = fast["w"].clone()
    call_back(slow, fast, 1.0)
    assert torch.equal(fast["w"], before)
    assert torch.equal(slow["w"], before)
