"""Uncertainty weighting against its formula, and its numbers: they learn, are checkpointed, and are no part of what is shipped."""

from __future__ import annotations

import math

import pytest
import torch

from training import mixed_fit, tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import Mixture
from tunesmith.engine.stack import Stack
from tunesmith.strategies.uncertainty import BESIDE, Uncertainty, weighed
from tunesmith.tasks.text_classification import TextClassification


@pytest.mark.parametrize("s", [0.0, 0.7, -1.2])
def test_the_loss_is_that_of_the_paper(s: float) -> None:
    value = torch.tensor(s, requires_grad=True)
    total = torch.tensor(12.0, requires_grad=True)
    loss = weighed(Loss(total, 4.0, parts={"a": torch.tensor(12.0)}), value)
    assert float(loss.mean.detach()) == pytest.approx(math.exp(-s) * 3 + s / 2)
    loss.mean.backward()  # type: ignore[no-untyped-call]
    assert value.grad is not None
    assert total.grad is not None
    assert float(value.grad) == pytest.approx(-math.exp(-s) * 3 + 0.5)
    assert float(total.grad) == pytest.approx(math.exp(-s) / 4)
    assert float(sum(loss.parts.values())) == pytest.approx(float(loss.sum.detach()))


def test_the_numbers_learn_beside_the_model() -> None:
    fitted = tiny_fit(None, [Uncertainty(rate=1.0)], learning_rate=1e-2)
    found = {name: float(p.detach()) for name, p in fitted.run.model.named_parameters() if name.startswith(BESIDE)}
    assert list(found) == [f"{BESIDE}.0", f"{BESIDE}.1"]
    assert all(value != 0 for value in found.values())
    assert {fitted.run.rules[name].decay for name in found} == {0.0}
    assert found.keys() <= fitted.run.touched
    assert not any(BESIDE in name for name in fitted.run.model.state_dict())
    slow = tiny_fit(None, [Uncertainty(rate=1e-3)], learning_rate=1e-2)
    assert max(abs(float(slow.run.model.get_parameter(name).detach())) for name in found) < 1e-3


def test_it_is_refused_with_one_kind_of_task_and_does_nothing_to_a_mixture_of_one() -> None:
    with pytest.raises(InputError, match="'uncertainty' needs several tasks"):
        Stack([Uncertainty()], TextClassification())
    strategy, said = Uncertainty(), list[str]()
    fitted = mixed_fit(None, steps=1)
    fitted.run.task = Mixture({"texts": fitted.run.task.members["texts"]})  # type: ignore[attr-defined]
    fitted.run.say = said.append
    strategy.begin(fitted.run)
    loss = Loss(torch.tensor(1.0), 1.0)
    assert strategy.loss(None, fitted.run, lambda batch: loss) is loss  # type: ignore[arg-type]
    assert said == ["uncertainty: there is one task, and nothing to weigh it against: nothing is done"]
