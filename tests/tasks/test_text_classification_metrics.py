"""The metrics of text classification against scikit-learn and scipy, and what is shown of predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics
from torch import Tensor

from tunesmith.core.task import Row
from tunesmith.report.numbers import lower_is_better
from tunesmith.tasks.text_classification import TextClassification

TEXTS = ["a good film", "bad", "the music was wonderful and the story was very well", "a dull plot , but the man is good !", "no"]
PAIRS = ["a bad film", "it is a good day in paris", "dull", "the worst", "yes"]
LABELS: dict[str, list[Any]] = {
    "single": ["good", "bad", "good", "odd", "bad"],
    "multi": [["good", "odd"], ["bad"], [], ["good"], ["bad", "good"]],
    "regression": [0.5, -1.25, 3.0, 2.0, 0.75],
}


def learned(kind: str, pairs: bool = False, **settings: Any) -> tuple[TextClassification, list[Row]]:
    """A task that has learned from a few rows, and the rows as it reads them."""
    task = TextClassification(kind=kind, **settings)
    rows: list[Row] = [
        {"text": text, **({"text_pair": pair} if pairs else {}), "label": label}
        for text, pair, label in zip(TEXTS, PAIRS, LABELS[kind], strict=True)
    ]
    task.learn(rows)
    return task, [task.read(row) for row in rows]


# What is answered, and what it is worth


def sampled(kind: str, num_rows: int = 200) -> tuple[TextClassification, Tensor, list[Row]]:
    """A task with three labels, a random table of answers, and random truths."""
    generator = torch.Generator().manual_seed(0)
    task = TextClassification(kind=kind, labels=["value"] if kind == "regression" else ["bad", "good", "odd"])
    table = torch.rand(num_rows, len(task.labels), generator=generator, dtype=torch.float64)
    draws = torch.randint(0, 8, (num_rows,), generator=generator).tolist()
    truths: dict[str, list[Any]] = {
        "single": [draw % 3 for draw in draws],
        "multi": [[label for label in range(3) if draw >> label & 1] for draw in draws],
        "regression": [draw / 3 for draw in draws],
    }
    return task, table.softmax(dim=1) if kind == "single" else table, [{"text": "a", "label": label} for label in truths[kind]]


def test_metrics_of_single_labels_are_those_of_scikit_learn() -> None:
    task, table, rows = sampled("single")
    found = task.metrics(task.predictions(table), rows)
    truth, predicted = np.array([row["label"] for row in rows]), table.argmax(dim=1).numpy()
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, predicted))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, table.numpy(), multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, table.numpy()))
    assert found["confusion"] == metrics.confusion_matrix(truth, predicted).tolist()
    for average in ("macro", "micro", "weighted"):
        expected = metrics.precision_recall_fscore_support(truth, predicted, average=average)[:3]
        assert [found[f"{name}_{average}"] for name in ("precision", "recall", "f1")] == pytest.approx(expected)


def test_metrics_of_several_labels_are_those_of_scikit_learn() -> None:
    task, table, rows = sampled("multi")
    task.threshold = 0.4
    found = task.metrics(task.predictions(table), rows)
    truth = np.array([[label in row["label"] for label in range(3)] for row in rows])
    predicted = table.numpy() >= 0.4
    assert found["subset_accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found["hamming_loss"] == pytest.approx(metrics.hamming_loss(truth, predicted))
    assert found["f1_micro"] == pytest.approx(metrics.f1_score(truth, predicted, average="micro"))
    assert found["f1_samples"] == pytest.approx(metrics.f1_score(truth, predicted, average="samples", zero_division=0))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, table.numpy(), average="macro"))
    expected = [metrics.f1_score(*pair, zero_division=1) for pair in zip(truth, predicted, strict=True)]
    assert task.correct(task.predictions(table), rows) == pytest.approx(expected)


def test_metrics_of_numbers_are_those_of_scikit_learn_and_scipy() -> None:
    task, table, rows = sampled("regression")
    found = task.metrics(task.predictions(table), rows)
    truth, predicted = np.array([row["label"] for row in rows]), table[:, 0].numpy()
    assert found["pearson"] == pytest.approx(stats.pearsonr(truth, predicted).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(truth, predicted).statistic)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(truth, predicted))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, predicted))
    assert -np.mean(task.correct(task.predictions(table), rows)) == pytest.approx(found["mse"])


@pytest.mark.parametrize("kind", LABELS)
def test_any_metric_can_decide(kind: str) -> None:
    task, table, rows = sampled(kind)
    names = task.score_names()
    assert names == [name for name, value in task.metrics(task.predictions(table), rows).items() if isinstance(value, float)]
    for name in names:
        chosen = TextClassification(kind=kind, metric=name)
        assert chosen.primary == name
        assert chosen.higher_is_better is not lower_is_better(name), "the report and the task must agree"
    assert TextClassification(kind=kind).primary in names
    assert task.score_names() == names
    assert set(names) <= set(TextClassification().score_names())


@pytest.mark.parametrize("kind", LABELS)
def test_without_ranks_the_answers_alone_are_scored(kind: str) -> None:
    task, table, rows = sampled(kind)
    truth, given = task.targets(rows, torch.float64), task.given(task.predictions(table))
    plain, full = task.score(table, truth, given, ranked=False), task.score(table, truth, given)
    assert plain.items() <= full.items()
    assert PRIMARY[kind] in plain


PRIMARY = {"single": "accuracy", "multi": "f1_micro", "regression": "pearson"}


def test_pairs_are_shown_as_two_texts() -> None:
    task, rows = learned("single", pairs=True)
    prediction = task.predictions(torch.tensor([[0.2, 0.7, 0.1]]))[0]
    assert task.shown(rows[0], prediction) == {
        "text": "a good film",
        "predicted": "good",
        "truth": "good",
        "confidence": pytest.approx(0.7),
        "text_pair": "a bad film",
    }
    assert task.texts(rows[:1]) == ["a good film a bad film"]


def test_names_of_labels_are_rows_where_they_say_something() -> None:
    assert TextClassification(kind="single", labels=["card_lost", "好"]).label_rows() == [{"text": "card lost"}, {"text": "好"}]
    for nameless in ({"labels": ["0", "1"]}, {"labels": ["a", "b"], "pairs": True}, {"kind": "multi", "labels": ["a", "b"]}):
        assert TextClassification(**{"kind": "single", **nameless}).label_rows() == []  # type: ignore[arg-type]
