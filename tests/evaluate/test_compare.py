"""scores.json: exact content, honest intervals, and verdicts that say bad news."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith.evaluate.compare import Judged, compare, difference
from tunesmith.metrics.interval import paired_bootstrap

ACCURACY = SimpleNamespace(primary="accuracy", higher_is_better=True)
MAE = SimpleNamespace(primary="mae", higher_is_better=False)
F1 = SimpleNamespace(primary="f1", higher_is_better=True)


def accurate(right: int, wrong: int, **more: Any) -> Judged:
    """A model that is right on the first rows."""
    return Judged({"accuracy": right / (right + wrong), **more}, [1.0] * right + [0.0] * wrong)


def erring(errors: list[float]) -> Judged:
    return Judged({"mae": float(np.mean(errors))}, [-error for error in errors])


def lines(task: Any, base: Judged, tuned: Judged, **baselines: Judged) -> list[str]:
    verdict: list[str] = compare("text_classification", task, "test", base, tuned, baselines)["verdict"]
    return verdict


def test_the_content_is_that_of_the_design() -> None:
    base, tuned = accurate(60, 140, confusion=[[1, 2], [3, 4]]), accurate(150, 50, per_class={"a": {"f1": 0.5}})
    content = compare("text_classification", ACCURACY, "test", base, tuned, {"majority": accurate(80, 120, confusion=[[1]])})
    delta, low, high = paired_bootstrap(base.correct, tuned.correct)
    verdict = content.pop("verdict")
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
    assert verdict == [f"Better than its base: +0.45 in accuracy, 95% interval {low:+.3g} to {high:+.3g}."]


def test_everything_can_be_written_as_json() -> None:
    tuned = Judged({"accuracy": np.float32(0.5), "auc": np.nan, "table": np.eye(2), "rows": (np.int64(3), np.inf)}, np.array([1, 0]))
    content = compare("t", ACCURACY, "test", accurate(1, 1), tuned, {"tfidf": accurate(1, 1, auc=np.nan)})
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["tuned"] == {"accuracy": 0.5, "auc": None, "table": [[1.0, 0.0], [0.0, 1.0]], "rows": [3, None]}


def test_no_difference_is_no_gain() -> None:
    assert lines(ACCURACY, accurate(100, 100), accurate(102, 98))[0].endswith("; the interval contains 0.")
    assert lines(ACCURACY, accurate(100, 100), accurate(100, 100))[0].startswith("No better than its base: +0 in accuracy")


def test_worse_than_its_base_is_said_loudly() -> None:
    assert lines(ACCURACY, accurate(150, 50), accurate(100, 100))[0].startswith("WORSE THAN ITS BASE: -0.25 in accuracy")


def test_a_falling_error_is_better() -> None:
    errors = np.random.default_rng(0).random(200)
    smaller, larger = erring((errors / 2).tolist()), erring((errors * 2).tolist())
    gain = compare("t", MAE, "test", erring(errors.tolist()), smaller, {})["gain"]["mae"]
    assert gain["delta"] == pytest.approx(-errors.mean() / 2)
    assert gain["ci95"][0] < gain["delta"] < gain["ci95"][1] < 0
    assert lines(MAE, erring(errors.tolist()), smaller)[0].startswith("Better than its base: -0.")
    assert lines(MAE, erring(errors.tolist()), larger)[0].startswith("WORSE THAN ITS BASE: +0.")


def test_a_baseline_that_does_as_well_is_named() -> None:
    base, tuned = accurate(60, 140), accurate(150, 50)
    assert len(lines(ACCURACY, base, tuned, tfidf=accurate(100, 100))) == 1, "a baseline that is clearly worse needs no words"
    alike = lines(ACCURACY, base, tuned, tfidf=accurate(149, 51), linear_probe=accurate(190, 10))[1:]
    assert alike[0].startswith("TF-IDF with a linear model does as well as the tuned model: this data does not need a transformer")
    assert alike[1].startswith("A linear probe on the frozen base BEATS the tuned model: tuning the base was not needed")
    assert lines(ACCURACY, base, tuned, rules=accurate(150, 50))[1].startswith("Rules does as well")


def test_few_rows_are_said_to_be_few() -> None:
    assert lines(ACCURACY, accurate(1, 9), accurate(9, 1))[-1] == "Only 10 rows were judged: the intervals are rough."


def test_a_metric_that_is_no_mean_is_judged_by_correct_rows() -> None:
    base, tuned = (Judged({"f1": f1}, accurate(right, 200 - right).correct) for f1, right in ((0.2, 50), (0.9, 150)))
    gain = compare("t", F1, "test", base, tuned, {})["gain"]
    assert gain["f1"] == {"delta": pytest.approx(0.7), "ci95": None}
    assert gain["correct"]["delta"] == pytest.approx(0.5)
    assert lines(F1, base, tuned)[0].startswith("Better than its base: +0.5 in mean correctness")


def test_more_correctness_is_better_even_where_the_metric_should_fall() -> None:
    rmse = SimpleNamespace(primary="rmse", higher_is_better=False)
    base, tuned = (Judged({"rmse": error}, [-(error**2)] * 200) for error in (2.0, 0.5))
    assert lines(rmse, base, tuned)[0].startswith("Better than its base: +3.75 in mean correctness")


def test_a_metric_over_rows_gives_its_own_interval() -> None:
    values = np.random.default_rng(0).random((2, 200)) + np.array([[0.0], [0.5]])
    base, tuned = (Judged({"f1": np.median(v)}, v.tolist(), over=lambda rows, v=v: float(np.median(v[rows]))) for v in values)
    found = difference(F1, base, tuned)
    assert found is not None
    assert found.delta == np.median(values[1]) - np.median(values[0])
    assert 0 < found.low < found.delta < found.high
    assert compare("t", F1, "test", base, tuned, {})["gain"].keys() == {"f1"}


def test_an_undefined_metric_is_not_compared() -> None:
    base, tuned = Judged({}, [0.0] * 200), Judged({"f1": 0.5}, [1.0] * 100 + [0.0] * 100)
    assert compare("t", F1, "test", base, tuned, {})["gain"].keys() == {"correct"}
    broken = Judged({"f1": np.nan}, [np.nan] * 200)
    content = compare("t", F1, "test", base, broken, {"tfidf": broken})
    assert content["gain"] == {}
    assert content["verdict"] == ["Base and tuned model cannot be compared: the metric is undefined, or no row was judged."]
    assert compare("t", F1, "test", Judged({}, []), Judged({}, []), {})["gain"] == {}
