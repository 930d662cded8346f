"""EMA: the average in closed form, the swap and its undoing, late weights, and resuming."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tunesmith.core.run import Run
from tunesmith.strategies.ema import EMA, ema_update, warmed_up


def drift(run: Run) -> Callable[[], None]:
    """A weight update that adds 1 to everything that learns."""

    def inner() -> None:
        with torch.no_grad():
            for w in run.learning().values():
                w.add_(1.0)

    return inner


def test_the_average_in_closed_form(run: Run) -> None:
    start = run.model.classifier.bias.detach().clone()
    strategy, decay, steps = EMA(decay=0.8, warmup=False), 0.8, 5
    strategy.begin(run)
    for _ in range(steps):
        strategy.step(run, drift(run))
    offset = sum((1 - decay) * decay ** (steps - t) * t for t in range(1, steps + 1))
    torch.testing.assert_close(strategy.average["classifier.bias"], start + offset)


def test_warm_up_follows_its_own_decays(run: Run) -> None:
    start = run.model.classifier.bias.detach().clone()
    strategy = EMA(decay=0.5)
    strategy.begin(run)
    offset = 0.0
    for t, decay in enumerate([2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5, 0.5], start=1):
        strategy.step(run, drift(run))
        offset = decay * offset + (1 - decay) * t
    torch.testing.assert_close(strategy.average["classifier.bias"], start + offset)
    assert [warmed_up(0.5, updates) for updates in (1, 8, 9)] == [pytest.approx(2 / 11), 0.5, 0.5]


def test_the_average_is_in_place_only_inside_and_weights_return_exactly(run: Run) -> None:
    strategy = EMA(decay=0.9)
    strategy.begin(run)
    strategy.step(run, drift(run))
    strategy.step(run, drift(run))
    before = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    with strategy.finished(run):
        assert all(torch.equal(w, strategy.average[name]) for name, w in run.model.named_parameters())
        assert not torch.equal(run.model.classifier.bias, before["classifier.bias"])
    assert all(torch.equal(w, before[name]) for name, w in run.model.named_parameters())


def test_weights_return_after_a_failure_too(run: Run) -> None:
    strategy = EMA()
    strategy.begin(run)
    strategy.step(run, drift(run))
    before = run.model.classifier.bias.detach().clone()
    with pytest.raises(RuntimeError, match="scoring"), strategy.finished(run):
        raise RuntimeError("scoring failed")
    assert torch.equal(run.model.classifier.bias, before)


def test_decay_0_ships_the_weights_themselves(run: Run) -> None:
    strategy = EMA(decay=0.0)
    strategy.begin(run)
    for _ in range(3):
        strategy.step(run, drift(run))
    assert all(torch.equal(strategy.average[name], w) for name, w in run.model.named_parameters())


def test_a_weight_enters_when_it_first_learns_and_stays(run: Run) -> None:
    strategy = EMA(decay=0.9, warmup=False)
    strategy.begin(run)
    late = run.model.layers[0].mlp.bias.requires_grad_(False)
    strategy.step(run, drift(run))
    assert "layers.0.mlp.bias" not in strategy.average
    start = late.requires_grad_(True).detach().clone()
    strategy.step(run, drift(run))
    torch.testing.assert_close(strategy.average["layers.0.mlp.bias"], start + 0.1)
    late.requires_grad_(False)
    strategy.step(run, drift(run))
    torch.testing.assert_close(strategy.average["layers.0.mlp.bias"], start + 0.19)


def test_resuming_goes_on_with_the_same_average(run: Run) -> None:
    strategy, resumed = EMA(), EMA()
    strategy.begin(run)
    strategy.step(run, drift(run))
    resumed.begin(run)
    resumed.recall({"average": {name: w.clone() for name, w in strategy.average.items()}, "updates": strategy.updates})
    weights = {name: w.detach().clone() for name, w in run.model.named_parameters()}
    strategy.step(run, drift(run))
    run.model.load_state_dict(weights)
    resumed.step(run, drift(run))
    assert all(torch.equal(resumed.average[name], w) for name, w in strategy.average.items())


def test_before_any_step_nothing_is_swapped(run: Run) -> None:
    strategy = EMA()
    strategy.begin(run)
    before = run.model.classifier.bias.detach().clone()
    with strategy.finished(run):
        assert torch.equal(run.model.classifier.bias, before)


def test_ema_update_is_in_place() -> None:
    average = {"w": torch.tensor([0.0, 4.0])}
    ema_update(average, {"w": torch.tensor([1.0, 0.0])}, 0.75)
    assert average["w"].tolist() == [0.25, 3.0]
