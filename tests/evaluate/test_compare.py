"""scores.json: exact content, and honest intervals."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith.evaluate.compare import Judged, compare, gain
from tunesmith.metrics.interval import paired_bootstrap

ACCURACY = SimpleNamespace(primary="accuracy", higher_is_better=True)


def accurate(right: int, wrong: int, **more: Any) -> Judged:
    """A model that is right on the first rows."""
    return Judged({"accuracy": right / (right + wrong), **more}, [1.0] * right + [0.0] * wrong)


def erring(errors: list[float]) -> Judged:
    return Judged({"mae": float(np.mean(errors))}, [-error for error in errors])


def test_the_content_is_that_of_the_design() -> None:
    base, tuned = accurate(60, 140, confusion=[[1, 2], [3, 4]]), accurate(150, 50, per_class={"a": {"f1": 0.5}})
    content = compare("text_classification", ACCURACY, "test", base, tuned, {"majority": accurate(80, 120, confusion=[[1]])})
    delta, low, high = paired_bootstrap(base.correct, tuned.correct)
    assert content == {
        "task": "text_classification",
        "split": "test",
        "examples": 200,
        "primary": "accuracy",
        "base": {"accuracy": 0.3, "confusion": [[1, 2], [3, 4]]},
        "tuned": {"accuracy": 0.75, "per_class": {"a": {"f1": 0.5}}},
        "gain": {"accuracy": {"delta": delta, "ci95": [low, high]}},
        "baselines": {"majority": {"accuracy": 0.4}},
        "flips": {"fixed": 90, "broken": 0},
    }
    assert delta == pytest.approx(0.45)


def test_everything_can_be_written_as_json() -> None:
    tuned = Judged({"accuracy": np.float32(0.5), "auc": np.nan, "table": np.eye(2), "rows": (np.int64(3), np.inf)}, np.array([1, 0]))
    content = compare("t", ACCURACY, "test", accurate(1, 1), tuned, {"tfidf": accurate(1, 1, auc=np.nan)})
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["tuned"] == {"accuracy": 0.5, "auc": None, "table": [[1.0, 0.0], [0.0, 1.0]], "rows": [3, None]}


def test_the_gain_of_an_error_is_in_its_own_unit() -> None:
    errors = np.random.default_rng(0).random(200)
    found = gain("mae", erring(errors.tolist()), erring((errors / 2).tolist()))["mae"]
    assert found["delta"] == pytest.approx(-errors.mean() / 2)
    assert found["ci95"][0] < found["delta"] < found["ci95"][1] < 0


def test_a_metric_that_is_no_mean_is_judged_by_correct_rows() -> None:
    base, tuned = (Judged({"f1": f1}, accurate(right, 200 - right).correct) for f1, right in ((0.2, 50), (0.9, 150)))
    found = gain("f1", base, tuned)
    assert found["f1"] == {"delta": pytest.approx(0.7), "ci95": None}
    assert found["correct"]["delta"] == pytest.approx(0.5)


def test_a_metric_over_rows_gives_its_own_interval() -> None:
    values = np.random.default_rng(0).random((2, 200)) + np.array([[0.0], [0.5]])
    base, tuned = (Judged({"f1": np.median(v)}, v.tolist(), over=lambda rows, v=v: float(np.median(v[rows]))) for v in values)
    found = gain("f1", base, tuned)
    assert found.keys() == {"f1"}
    assert found["f1"]["delta"] == np.median(values[1]) - np.median(values[0])
    assert 0 < found["f1"]["ci95"][0] < found["f1"]["delta"] < found["f1"]["ci95"][1]


def test_a_mean_over_rows_is_not_computed_anew() -> None:
    def over(rows: Any) -> float:
        raise AssertionError("the rows' own values tell")

    base, tuned = (Judged({"accuracy": right / 200}, accurate(right, 200 - right).correct, over) for right in (50, 150))
    assert gain("accuracy", base, tuned)["accuracy"]["delta"] == 0.5


def test_an_undefined_metric_is_not_compared() -> None:
    base, tuned = Judged({}, [0.0] * 200), Judged({"f1": 0.5}, [1.0] * 100 + [0.0] * 100)
    assert gain("f1", base, tuned).keys() == {"correct"}
    broken = Judged({"f1": np.nan}, [np.nan] * 200)
    assert gain("f1", base, broken) == gain("f1", broken, tuned) == {}
    assert gain("f1", Judged({}, []), Judged({}, [])) == {}
