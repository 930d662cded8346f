"""FAMO against its formula: how tasks are balanced, and how the weights follow what their losses did."""

from __future__ import annotations

import math

import pytest
import torch

from training import mixed_fit, tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.mixture import PLACE, Mixture
from tunesmith.core.run import Run
from tunesmith.strategies import famo
from tunesmith.strategies.famo import FAMO, balanced, fall


def test_a_task_counts_by_its_weight_over_its_loss() -> None:
    weights = torch.tensor([0.0, math.log(3.0)])  # z = 1/4, 3/4
    found = balanced(weights, ["a", "b"], {"a": 2.0, "b": 0.5})
    c = 1 / (0.25 / 2.0 + 0.75 / 0.5)
    assert found == pytest.approx({"a": c * 0.25 / 2.0, "b": c * 0.75 / 0.5})
    assert sum(found.values()) == pytest.approx(1)
    assert balanced(weights, ["a", "b"], {"a": 2.0}) == {"a": 1.0}


def test_the_fall_of_a_loss_is_that_of_its_logarithm() -> None:
    assert fall(2.0, 1.0) == pytest.approx(math.log(2.0))
    assert fall(1.0, 2.0) == pytest.approx(-math.log(2.0))
    assert fall(None, 1.0) == fall(1.0, None) == 0.0


def test_weights_move_to_the_task_that_falls_least(monkeypatch: pytest.MonkeyPatch) -> None:
    run = mixed_fit(None, steps=1).run
    strategy = FAMO(rate=0.1, decay=0.0)
    strategy.begin(run)
    strategy._before = {"texts": 2.0, "tags": 2.0}
    after = {"texts": 1.0, "tags": 2.0}
    monkeypatch.setattr(famo, "losses", lambda batches, run: after)
    strategy.step(run, lambda: None)
    # J^T d = z (d - z.d) = (1/2)(log 2 - log 2 / 2) = log 2 / 4 and its negative; Adam's first step is the rate against its sign
    torch.testing.assert_close(strategy.first, 0.1 * torch.tensor([1.0, -1.0]) * math.log(2.0) / 4)
    torch.testing.assert_close(strategy.weights, torch.tensor([-0.1, 0.1]))
    assert strategy.updates == 1


def test_losses_after_a_step_are_those_of_the_same_rows_with_the_same_dropout() -> None:
    seen: list[tuple[dict[str, float], dict[str, float]]] = []

    class Looking(FAMO):
        def step(self, run: Run, inner: object) -> None:
            seen.append((dict(self._before), famo.losses(self._batches, run)))

    Looking.__module__ = FAMO.__module__
    fitted = tiny_fit(None, [Looking()], steps=2)
    assert set(fitted.run.task.members) == {"texts", "tags"}  # type: ignore[attr-defined]
    for before, again in seen:  # nothing was updated between
        assert again == pytest.approx(before, rel=1e-5)


def test_a_mixture_of_one_is_left_alone() -> None:
    said: list[str] = []
    run = mixed_fit(None, steps=1).run
    run.task = Mixture({"texts": run.task.members["texts"]})  # type: ignore[attr-defined]
    run.say = said.append
    strategy = FAMO()
    strategy.begin(run)
    loss = object()
    batch = Batch({}, {}, torch.zeros(1), 1, {PLACE: "texts"})
    assert strategy.gradient([batch], run, lambda batches: loss) is loss  # type: ignore[arg-type, return-value]
    strategy.step(run, lambda: None)
    assert strategy.updates == 0
    assert said == ["famo: there is one task, and nothing to weigh it against: nothing is done"]
