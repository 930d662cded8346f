"""The last linear layer: found in every family, and solved for as scikit-learn does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

import tiny
from tunesmith.model.last_layer import best_penalty, given_to, last_linear, solved

ROWS, WIDTH, CLASSES = 60, 5, 3


@pytest.fixture
def states() -> Tensor:
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 0.1, 2.0, 1.0]) + 3


def standard(states: Tensor) -> np.ndarray:
    states = states.double()
    return ((states - states.mean(dim=0)) / states.std(dim=0, correction=0)).numpy()


def logits_of(found: dict[str, Tensor], states: Tensor) -> np.ndarray:
    return (states.double() @ found["weight"].T + found["bias"]).numpy()


def test_classes_as_by_logistic_regression(states: Tensor) -> None:
    classes, counts = torch.arange(ROWS) % CLASSES, torch.linspace(0.5, 2, ROWS)
    found = solved(states, classes, counts, nn.Linear(WIDTH, CLASSES), penalty=0.02)
    expected = LogisticRegression(C=1 / (0.02 * float(counts.sum())), tol=1e-8, max_iter=1000)
    expected.fit(standard(states), classes.numpy(), sample_weight=counts.numpy())
    own, theirs = logits_of(found, states), expected.decision_function(standard(states))
    np.testing.assert_allclose(own - own.mean(axis=1, keepdims=True), theirs - theirs.mean(axis=1, keepdims=True), atol=1e-4)


def test_several_labels_are_as_many_regressions(states: Tensor) -> None:
    labels = (states[:, :2] + torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(1)) > 3).float()
    found = solved(states, labels, torch.ones(ROWS), nn.Linear(WIDTH, 2), penalty=0.02)
    for label in (0, 1):  # the mean over two labels is half of each
        expected = LogisticRegression(C=1 / (0.04 * ROWS), tol=1e-8, max_iter=1000).fit(standard(states), labels[:, label].numpy())
        np.testing.assert_allclose(logits_of(found, states)[:, label], expected.decision_function(standard(states)), atol=1e-4)


def test_numbers_as_by_ridge_regression(states: Tensor) -> None:
    found = solved(states, states.sum(dim=1), torch.ones(ROWS), nn.Linear(WIDTH, 1), penalty=0.1)
    expected = Ridge(alpha=0.1 * ROWS).fit(standard(states), states.sum(dim=1).numpy())
    np.testing.assert_allclose(logits_of(found, states)[:, 0], expected.predict(standard(states)), atol=1e-4)


def test_the_penalty_follows_from_rows_that_are_held_out(states: Tensor) -> None:
    noise = torch.randint(0, CLASSES, (ROWS,), generator=torch.Generator().manual_seed(2))
    clear = states.double()[:, :CLASSES].sub(3).mul(torch.tensor([1.0, 0.2, 10.0])).argmax(dim=1)
    layer, counts = nn.Linear(WIDTH, CLASSES), torch.ones(ROWS)
    assert best_penalty(states, noise, counts, layer) >= 0.1
    assert best_penalty(states, clear, counts, layer) <= 0.01


def test_an_input_that_never_changes_is_left_to_the_bias_where_there_is_one(states: Tensor) -> None:
    states[:, 0] = 7.0
    given = states, torch.arange(ROWS) % CLASSES, torch.ones(ROWS)
    found = solved(*given, nn.Linear(WIDTH, CLASSES), penalty=0.02)
    assert not found["weight"][:, 0].any()
    assert found["weight"][:, 1:].all()
    alone = solved(*given, nn.Linear(WIDTH, CLASSES, bias=False), penalty=0.02)
    assert not alone["bias"].any()
    assert alone["weight"][:, 0].any()


@pytest.mark.parametrize(
    "family", ["bert", "roberta", "distilbert", "electra", "albert", "xlnet", "deberta", "modernbert", "gpt2", "qwen2", "bart"]
)
def test_it_is_found_in_every_family_with_what_it_is_given(family: str) -> None:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=3, pad_token_id=tiny.PAD)).eval()
    ids = torch.tensor([[tiny.CLS, 9, 10, 12, tiny.SEP], [tiny.CLS, 11, tiny.SEP, tiny.PAD, tiny.PAD]])
    name = last_linear(model, lambda: model(ids, attention_mask=(ids != tiny.PAD).long()).logits)
    assert name is not None
    layer = model.get_submodule(name)
    with given_to(layer) as given:
        logits = model(ids, attention_mask=(ids != tiny.PAD).long()).logits
        torch.testing.assert_close(layer(given(logits)), logits)


def test_scores_that_no_layer_gives_have_none() -> None:
    layer = nn.Linear(WIDTH, CLASSES)
    assert last_linear(layer, lambda: layer(torch.ones(2, WIDTH)) * 2) is None
