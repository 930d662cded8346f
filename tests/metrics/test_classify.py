"""Every number against scikit-learn and scipy, and what happens where a metric is undefined."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from tunesmith.metrics.classify import classification, multi_label, regression, reliability

SEEDS = st.integers(0, 100_000)
AVERAGES = ("macro", "micro", "weighted")


def softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def names(number: int) -> list[str]:
    return [f"class {i}" for i in range(number)]


def near(expected: Any) -> Any:
    return pytest.approx(expected, abs=1e-10)


def precision_recall_f1(truth: np.ndarray, predicted: np.ndarray, average: str | None, **options: Any) -> dict[str, Any]:
    found = sk.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0, **options)
    return dict(zip(("precision", "recall", "f1"), found, strict=False))


@given(SEEDS, st.integers(1, 80), st.integers(2, 6), st.floats(0, 1))
def test_classes_as_in_scikit_learn(seed: int, rows: int, classes: int, skill: float) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.choice(classes, rows, p=generator.dirichlet(np.full(classes, 0.5)))  # some classes are often absent
    predicted = np.where(generator.random(rows) < skill, truth, generator.integers(0, classes, rows))
    scores = classification(truth, predicted, None, names(classes))

    assert scores["accuracy"] == near(sk.accuracy_score(truth, predicted))
    for average in AVERAGES:
        for metric, value in precision_recall_f1(truth, predicted, average).items():
            assert scores[f"{metric}_{average}"] == near(value), f"{metric}_{average}"
    mixed = len({*truth}) > 1 and len({*predicted}) > 1
    assert scores["mcc"] == near(sk.matthews_corrcoef(truth, predicted) if mixed else 0.0)
    assert scores["confusion"] == sk.confusion_matrix(truth, predicted, labels=range(classes)).tolist()
    for metric, values in precision_recall_f1(truth, predicted, None, labels=range(classes)).items():
        assert [scores["per_class"][name][metric] for name in names(classes)] == near(values)
    assert [scores["per_class"][name]["support"] for name in names(classes)] == np.bincount(truth, minlength=classes).tolist()


@given(SEEDS, st.integers(30, 80), st.integers(2, 5))
def test_probabilities_as_in_scikit_learn(seed: int, rows: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), generator.integers(0, classes, rows - classes)])
    table = softmax(generator.normal(size=(rows, classes)).round(1))
    scores = classification(truth, table.argmax(axis=1), table, names(classes))

    auc = sk.roc_auc_score(truth, table[:, 1]) if classes == 2 else sk.roc_auc_score(truth, table, multi_class="ovr")
    assert scores["auc"] == near(auc)
    assert scores["log_loss"] == near(sk.log_loss(truth, table, labels=range(classes)))
    assert scores["ece"] == near(expected_calibration_error(table.max(axis=1), table.argmax(axis=1) == truth))


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Equation 3 of Guo et al. 2017, a bin at a time."""
    error = 0.0
    for lower, upper in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (confidence > lower) & (confidence <= upper)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return float(error)


def test_reliability_bins() -> None:
    bins = reliability([0.5, 0.55, 0.59, 1.0, 0.0], [True, True, False, True, False], bins=10)
    assert bins == [
        {"confidence": 0.0, "accuracy": 0.0, "count": 1},
        {"confidence": 0.5, "accuracy": 1.0, "count": 1},  # a bin holds its upper end
        {"confidence": near(0.57), "accuracy": 0.5, "count": 2},
        {"confidence": 1.0, "accuracy": 1.0, "count": 1},
    ]


def test_a_probability_of_0_for_the_truth_costs_a_finite_amount() -> None:
    scores = classification([0, 1], [0, 0], [[1.0, 0.0], [1.0, 0.0]], names(2))
    assert scores["log_loss"] == near(-np.log(np.finfo(float).eps) / 2)


def test_the_area_skips_classes_without_both_sides() -> None:
    truth, table = np.array([0, 0, 1]), softmax(np.array([[2.0, 0, 0], [0, 1, 0], [0, 1, 0]]))
    scores = classification(truth, table.argmax(axis=1), table, names(3))
    assert scores["auc"] == near((sk.roc_auc_score(truth == 0, table[:, 0]) + sk.roc_auc_score(truth == 1, table[:, 1])) / 2)


def test_one_class_alone_has_no_area() -> None:
    scores = classification([1, 1], [1, 0], [[0.2, 0.8], [0.6, 0.4]], names(2))
    assert "auc" not in scores
    assert {"log_loss", "ece", "calibration"} <= scores.keys()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_define_no_metric(bad: float) -> None:
    table = [[0.2, 0.8], [0.5, bad]]
    without = classification([1, 0], [1, 0], None, names(2))
    assert classification([1, 0], [1, 0], table, names(2)) == without
    truth = [[0, 1], [1, 0]]
    assert multi_label(truth, truth, table, names(2)) == multi_label(truth, truth, None, names(2))


@given(SEEDS, st.integers(1, 40), st.integers(2, 6))
def test_sets_of_labels_as_in_scikit_learn(seed: int, rows: int, labels: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, labels)) < generator.random(labels)
    table = generator.random((rows, labels)).round(1)
    predicted = table >= 0.5
    scores = multi_label(truth, predicted, table, names(labels))

    assert scores["subset_accuracy"] == near(sk.accuracy_score(truth, predicted))
    assert scores["hamming_loss"] == near(sk.hamming_loss(truth, predicted))
    for average in (*AVERAGES, "samples"):
        for metric, value in precision_recall_f1(truth, predicted, average).items():
            assert scores[f"{metric}_{average}"] == near(value), f"{metric}_{average}"
    for metric, values in precision_recall_f1(truth, predicted, None).items():
        assert [scores["per_class"][name][metric] for name in names(labels)] == near(values)
    assert scores["lrap"] == near(sk.label_ranking_average_precision_score(truth, table))

    some, both = truth.any(axis=0), truth.any(axis=0) & ~truth.all(axis=0)
    assert ("auc" in scores) == both.any()
    assert ("mean_average_precision" in scores) == some.any()
    if both.any():
        assert scores["auc"] == near(sk.roc_auc_score(truth[:, both], table[:, both]))
    if some.any():
        assert scores["mean_average_precision"] == near(sk.average_precision_score(truth[:, some], table[:, some]))


@given(SEEDS, st.integers(3, 60), st.booleans(), st.sampled_from([1e-100, 1.0, 1e150]))
def test_numbers_as_in_scipy_and_scikit_learn(seed: int, rows: int, ties: bool, scale: float) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=rows)
    predicted = 0.5 * truth + generator.normal(size=rows)
    if ties:
        truth, predicted = np.append(truth.round(), [-9, 9]), np.append(predicted.round(), [-9, 8])
    scores = regression(truth, predicted)

    assert scores["pearson"] == near(stats.pearsonr(truth, predicted).statistic)
    assert scores["spearman"] == near(stats.spearmanr(truth, predicted).statistic)
    assert scores["r2"] == near(sk.r2_score(truth, predicted))
    assert scores["mse"] == near(sk.mean_squared_error(truth, predicted))
    assert scores["rmse"] == near(sk.root_mean_squared_error(truth, predicted))
    assert scores["mae"] == near(sk.mean_absolute_error(truth, predicted))
    assert regression(truth * scale, predicted * scale)["pearson"] == near(scores["pearson"])


def test_a_constant_has_no_correlation_and_a_constant_truth_no_r2() -> None:
    assert regression([1, 2, 3], [0.1, 0.1, 0.1]).keys() == {"r2", "mse", "rmse", "mae"}
    assert regression([0.1, 0.1, 0.1], [1, 2, 3]).keys() == {"mse", "rmse", "mae"}
    assert regression([1.0], [2.0]) == {"mse": 1.0, "rmse": 1.0, "mae": 1.0}


def test_numbers_that_are_not_finite_define_nothing() -> None:
    assert regression([1.0, 2.0], [1.0, np.nan]) == {}


def test_a_square_that_overflows_is_left_out() -> None:
    assert regression([1e200, -1e200, 0.0], [2e200, -2e200, 0.0]).keys() == {"pearson", "spearman", "mae"}


def test_without_rows_nothing_is_defined() -> None:
    assert classification([], [], np.zeros((0, 2)), names(2)) == {}
    assert multi_label(np.zeros((0, 2)), np.zeros((0, 2)), None, names(2)) == {}
    assert regression([], []) == {}


@pytest.mark.parametrize("stranger", [-1, 2])
def test_a_number_that_is_no_class_is_refused(stranger: int) -> None:
    with pytest.raises(ValueError, match="invalid entry"):
        classification([0, 1], [0, stranger], None, names(2))


@given(SEEDS, st.integers(1, 10), st.integers(1, 4))
def test_everything_can_be_written_as_json(seed: int, rows: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    truth, table = generator.integers(0, classes, rows), softmax(generator.normal(size=(rows, classes)))
    sets = generator.random((rows, classes)) < 0.3
    for scores in (
        classification(truth, table.argmax(axis=1), table, names(classes)),
        multi_label(sets, table > 0.5, table, names(classes)),
        regression(table[:, 0], truth),
    ):
        assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_metrics_import_nothing_heavy() -> None:
    code = "import sys, tunesmith.metrics.classify, tunesmith.metrics.interval; print(*{'torch', 'scipy', 'sklearn'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
