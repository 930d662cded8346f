"""Groups of judged rows: rates by name, gaps with intervals, and what is too small."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.evaluate.groups import audit
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tasks.token_classification import TokenClassification


def predicted(label: str, labels: list[str]) -> dict[str, Any]:
    return {"label": label, "probabilities": {name: 0.9 if name == label else 0.1 for name in labels}}


def test_two_labels_two_groups_and_one_that_is_too_small() -> None:
    task = TextClassification(kind="single", labels=["no", "yes"])
    groups = ["a"] * 40 + ["b"] * 40 + ["c"] * 3
    truths = [{"text": "x", "label": row % 2} for row in range(83)]
    right = [predicted(task.labels[row["label"]], task.labels) for row in truths]
    wrong_for_b = [predicted("no", task.labels) if group == "b" else one for group, one in zip(groups, right, strict=True)]
    found = audit(task, groups, truths, {"base": right, "tuned": wrong_for_b})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["labels"] == ["yes"]
    assert found["too_small"] == {"c": 3}
    assert found["base"]["by_group"]["b"]["accuracy"] == 1
    b, c = (found["tuned"]["by_group"][name] for name in "bc")
    assert b == {"rows": 40, "accuracy": 0.5, "selection": {"yes": 0.0}, "true_positive": {"yes": 0.0}, "false_positive": {"yes": 0.0}}
    assert (c["rows"], c["accuracy"], c["selection"]) == (3, None, {"yes": None})
    assert found["tuned"]["gaps"]["equal_opportunity_difference"] == {"value": 1.0, "ci95": [1.0, 1.0]}
    change = found["change"]["demographic_parity_difference"]
    assert change["delta"] == pytest.approx(0.5)
    assert 0 < change["ci95"][0] < 0.5 < change["ci95"][1] < 0.8


def test_several_labels_are_decisions_each_and_the_metric_that_decides_is_given_by_group() -> None:
    task = TextClassification(kind="multi", labels=["x", "y"], metric="f1_macro")
    truths = [{"text": "t", "label": [0] if row % 2 else [0, 1]} for row in range(60)]
    predictions = [{"labels": ["x"], "probabilities": {"x": 0.8, "y": 0.1}} for _ in truths]  # right in full for every second row
    found = audit(task, [row // 30 for row in range(60)], truths, {"tuned": predictions})
    assert found["labels"] == ["x", "y"]
    group = found["tuned"]["by_group"]["1"]
    assert (group["accuracy"], group["f1_macro"], group["selection"]) == (0.5, 0.5, {"x": 1.0, "y": 0.0})
    assert group["false_positive"] == {"x": None, "y": 0.0}  # all rows have x
    assert found["change"] == {}


def test_other_tasks_have_no_groups() -> None:
    assert audit(TextClassification(kind="regression", labels=["score"]), ["a"], [{"label": 1.0}], {"tuned": [{"value": 1.0}]}) == {}
    assert audit(TokenClassification.example()[0], ["a"], [{}], {"tuned": [{}]}) == {}


def test_a_group_whose_rows_all_have_one_label_has_no_area_under_a_curve() -> None:
    task = TextClassification(kind="single", labels=["no", "yes"], metric="auc")
    truths = [{"text": "x", "label": row % 2 if row < 40 else 1} for row in range(80)]
    right = [predicted(task.labels[row["label"]], task.labels) for row in truths]
    found = audit(task, ["a"] * 40 + ["b"] * 40, truths, {"base": right, "tuned": right})
    assert [found["tuned"]["by_group"][name]["auc"] for name in "ab"] == [1, None]
