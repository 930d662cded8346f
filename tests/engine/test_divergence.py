"""Losses that run away, those that only look like it, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import DivergedError
from tunesmith.engine.divergence import WINDOW, Divergence


def seen(losses: Sequence[float]) -> list[str]:
    """What is said of the losses of a run with a rate of 2e-5."""
    said: list[str] = []
    run: Any = SimpleNamespace(clock=Clock(0, len(losses), len(losses)), peak=2e-5, say=said.append)
    divergence = Divergence(run)
    for loss in losses:
        divergence.check(loss, [3, 5])
        run.clock = run.clock.tick(16, 100)
    return said


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e4])
def test_one_loss_beyond_all_measure_ends_the_run_and_has_its_rows(loss: float) -> None:
    with pytest.raises(DivergedError, match=r"at step 3\. Lower training\.learning_rate, to 2e-06 for example.*--find-rate") as caught:
        seen([0.7, 0.7, loss])
    assert caught.value.rows == [3, 5]
    assert caught.value.rate == 2e-6


def test_a_loss_that_stays_far_above_the_first_ends_the_run() -> None:
    with pytest.raises(DivergedError, match=r"was 0\.69 at first and is 24 at step 16") as caught:
        seen([0.69] * 10 + [24.0] * 10)
    assert not caught.value.rows


def test_a_loss_that_has_risen_is_warned_of_once() -> None:
    said = seen([3.3] * 5 + [10.0] * 20)
    assert len(said) == 1
    assert said[0].startswith("WARNING: the loss was 3.3 at first and is 10 now: is the rate too high? Lower training.learning_rate")


@pytest.mark.parametrize(
    "losses",
    [
        [0.7] + [0.1] * 30 + [1.8] * 20,  # worse than it was, and within what a model that knows nothing may have
        [0.0] + [-0.5, 0.5] * 20,  # of rewards
        [3.0] + [-40.0] * 20,  # far below the first
        [5.0] + [100.0, 0.5, 0.5] * 20,  # a few odd batches
        [900.0] * 10 + [1500.0] * 20,  # of large numbers
    ],
)
def test_healthy_losses_are_let_be(losses: Sequence[float]) -> None:
    assert seen(losses) == []


def test_a_resumed_run_goes_on_with_what_it_had_seen() -> None:
    run: Any = SimpleNamespace(clock=Clock(0, 99, 99), peak=1.0, say=lambda _: None)
    before, after = Divergence(run), Divergence(run)
    for loss in [1.0] + [50.0] * (WINDOW // 2):
        before.check(loss, [])
    after.load(before.state())
    for _ in range(WINDOW - len(after.recent) - 1):
        after.check(50.0, [])
    with pytest.raises(DivergedError):
        after.check(50.0, [])
