"""The gradient of each task is that of its rows alone, and together they are that of the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from training import mixed_fit, same, weights
from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import PLACE
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.task_gradients import of_each_task, put, summed, whole


@dataclass
class _Apart(Strategy):
    """Takes gradients task by task, and puts their sum in the place of the gradient of the step, which it compares."""

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        expected_loss = inner(batches)
        expected = {name: w.grad.clone() for name, w in run.learning().items() if w.grad is not None}
        found = of_each_task(batches, run, inner)
        assert [own.name for own in found] == [name for name in run.task.members if any(b.notes[PLACE] == name for b in batches)]  # type: ignore[attr-defined]
        loss = whole(found)
        total = summed([{name: part * (own.loss.count / loss.count) for name, part in own.gradient.items()} for own in found])
        torch.testing.assert_close(float(loss.mean), float(expected_loss.mean))
        assert loss.parts.keys() == expected_loss.parts.keys()
        assert total.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(total[name], gradient, rtol=1e-4, atol=1e-6)
        put(expected, run)
        return expected_loss


def test_gradients_add_up() -> None:
    apart, together = (mixed_fit(None, parts, steps=3) for parts in ([_Apart()], []))
    assert same(weights(apart), weights(together))


def test_a_gradient_that_one_task_has_alone_stays_as_it_is() -> None:
    one, other = {"a": torch.ones(2), "b": torch.ones(1)}, {"a": torch.ones(2)}
    found = summed([one, other])
    assert found["a"].tolist() == [2.0, 2.0]
    assert found["b"] is one["b"]
