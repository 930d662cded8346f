"""Last-layer retraining: the classifier that ships is the one that fits best to what the tuned layers give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import tiny
from training import tiny_fit
from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Row, Task
from tunesmith.data.unlabelled import passes
from tunesmith.engine.loop import Fitted
from tunesmith.model.last_layer import FINEST
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.last_layer import LastLayer
from tunesmith.tasks.multiple_choice import MultipleChoice
from tunesmith.tasks.text_classification import TextClassification


def seen(fitted: Fitted) -> tuple[Tensor, Tensor, Tensor]:
    """What the classifier is given for the training rows in the end, their labels, and the scores that it gives, in one order."""
    states, labels, logits = [], [], []
    model = fitted.run.model.eval()
    hook = model.classifier.register_forward_pre_hook(lambda module, inputs: states.append(inputs[0]))
    with torch.no_grad():
        for _, batch in passes(fitted.run.train, fitted.run):
            logits.append(fitted.run.forward(batch).logits)
            labels.append(batch.targets["labels"])
    hook.remove()
    return torch.cat(states), torch.cat(labels), torch.cat(logits)


def uneven() -> tuple[Task, list[Row]]:
    task, rows = TextClassification.example()
    first = rows[0]["label"]
    return task, [row for place, row in enumerate(rows) if row["label"] == first or place % 3 == 0]


@pytest.mark.parametrize("balance", ["none", "class"])
def test_what_ships_fits_best(balance: str) -> None:
    states, labels, logits = seen(tiny_fit(None, [LastLayer(penalty=0.01, balance=balance)], uneven, learning_rate=1e-4))
    states = states.double()
    inputs = ((states - states.mean(dim=0)) / states.std(dim=0, correction=0).clamp_min(FINEST * states.square().mean().sqrt())).numpy()
    counts = np.ones(len(labels)) if balance == "none" else 1 / np.bincount(labels)[labels]
    expected = LogisticRegression(C=2 / (0.01 * counts.sum()), tol=1e-9, max_iter=2000)  # one weight there, the difference of both here
    expected.fit(inputs, labels.numpy(), sample_weight=counts)
    np.testing.assert_allclose((logits[:, 1] - logits[:, 0]).numpy(), expected.decision_function(inputs), atol=1e-3)


def test_half_the_way_is_the_mean_of_both() -> None:
    plain, half, full = (
        tiny_fit(None, [LastLayer(strength=strength)]).run.model.classifier.weight.detach() for strength in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(half, (plain + full) / 2)
    assert not torch.equal(plain, full)


def test_training_goes_on_from_what_gradients_made() -> None:
    often, once = (tiny_fit(None, [LastLayer()], evaluate_every=every) for every in (Span(1, "st"), Span(100, "%")))
    assert torch.equal(often.run.model.classifier.weight, once.run.model.classifier.weight)


def test_choices_are_not_classes() -> None:
    with pytest.raises(InputError, match="are not those of a layer alone"):
        tiny_fit(None, [LastLayer()], MultipleChoice.example)


def settled(strategies: list[Strategy]) -> tuple[Fitted, list[str]]:
    """A run and what the last of the strategies says when it is over."""
    fitted, said = tiny_fit(None, strategies), list[str]()
    fitted.run.say = said.append
    strategies[-1].settle(fitted.run, list, [])
    return fitted, said


def test_a_layer_that_is_frozen_stays_and_that_is_told() -> None:
    fitted, said = settled([Freeze(patterns=["classifier"], layers=0), LastLayer()])
    assert torch.equal(fitted.run.model.classifier.weight, tiny.bert(num_labels=2).classifier.weight)
    assert said == ["last_layer: the last layer never learned, and stays as it is"]


def test_on_how_many_rows_and_how_is_told() -> None:
    fitted, said = settled([LastLayer(penalty=0.01)])
    rows = len(fitted.run.train)
    assert said == [f"last_layer: solved for anew on {rows} rows, with a penalty of 0.01 at the last evaluation"]
