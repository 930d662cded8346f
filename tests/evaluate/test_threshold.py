"""Thresholds that are chosen on validation rows: by which metric, for whom, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score

from tunesmith.evaluate.threshold import Thresholds, as_shipped, best_threshold
from tunesmith.tasks.text_classification import TextClassification

TABLE = torch.tensor([[0.30, 0.10], [0.20, 0.12], [0.02, 0.25]], dtype=torch.float64)
TRUTHS: list[dict[str, Any]] = [{"label": [0]}, {"label": [0]}, {"label": [1]}]


def task(**settings: Any) -> TextClassification:
    return TextClassification(**{"kind": "multi", "labels": ["a", "b"], **settings})


def test_the_best_threshold_is_halfway_to_the_next_lower_probability() -> None:
    own = task()
    assert best_threshold(own, own.predictions(TABLE), TRUTHS) == 0.16
    assert best_threshold(own, own.predictions(TABLE), [{"label": []}] * 3) == 0.5
    assert best_threshold(own, own.predictions(TABLE), [{"label": [0, 1]}] * 3) == 0.01
    assert best_threshold(own, own.predictions(TABLE * torch.nan), TRUTHS) == 0.5


@pytest.mark.parametrize("metric", ["f1_macro", "hamming_loss", "auc"])
def test_it_is_the_best_for_the_metric_that_decides(metric: str) -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(60, 2, generator=generator, dtype=torch.float64) ** 3
    truths = [{"label": [label for label in (0, 1) if row[label] > 0.1 + 0.4 * label]} for row in table.tolist()]
    own = task(metric=metric)
    found = best_threshold(own, own.predictions(table), truths)
    truth = own.targets(truths)
    tried = table.flatten().tolist()
    if metric == "f1_macro":
        best = max(f1_score(truth, table >= value, average="macro") for value in tried)
        assert f1_score(truth, table >= found, average="macro") == pytest.approx(best)
    elif metric == "hamming_loss":
        assert ((table >= found) != (truth > 0)).sum() == min(((table >= value) != (truth > 0)).sum() for value in tried)
    else:
        assert found == best_threshold(task(), own.predictions(table), truths), "it changes nothing, and F1 micro decides"


def test_validation_rows_are_judged_as_the_model_would_be_shipped() -> None:
    own = task()
    predictions = own.predictions(TABLE)
    assert own.metrics(predictions, TRUTHS)["f1_micro"] == 0
    assert own.metrics(as_shipped(own, predictions, TRUTHS), TRUTHS)["f1_micro"] == 1
    fixed = task(threshold=0.5)
    assert as_shipped(fixed, predictions, TRUTHS) == predictions


def test_each_model_has_its_own_and_rows_that_are_judged_choose_none() -> None:
    own = Thresholds(task(), TRUTHS)
    asked = torch.cat([torch.full((2, 2), 0.2, dtype=torch.float64), TABLE])
    [first, second] = own.choose("tuned", task().predictions(asked), 2)
    assert first["labels"] == second["labels"] == ["a", "b"]
    own.choose("base", task().predictions(torch.cat([asked[:2], TABLE / 2])), 2)
    assert own.scores() == {"thresholds": {"chosen_by": 3, "tuned": 0.16, "base": 0.08}}
    assert own.task_of("tuned").settings()["threshold"] == 0.16
    assert own.decide("base", task().predictions(asked[:1] / 2))[0]["labels"] == ["a", "b"]


def test_without_rows_it_is_the_middle_and_elsewhere_nothing_is_chosen() -> None:
    none = Thresholds(task(), [])
    assert [found["labels"] for found in none.choose("tuned", task().predictions(TABLE + 0.25), 3)] == [["a"], [], ["b"]]
    assert none.scores() == {"thresholds": {"chosen_by": 0, "tuned": 0.5}}
    for given in (task(threshold=0.11), TextClassification(kind="single", labels=["a", "b"])):
        fixed = Thresholds(given, TRUTHS)
        predictions = given.predictions(TABLE)
        assert fixed.choose("tuned", predictions, 3) == predictions
        assert (fixed.rows, fixed.scores(), fixed.task_of("tuned")) == ([], {}, given)
