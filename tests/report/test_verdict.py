"""The verdict: good news, bad news, and what is neither."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.report.verdict import base_name, judge


def scores(
    base: float | None, tuned: float | None, interval: tuple[float, float] | None = None, primary: str = "accuracy"
) -> dict[str, Any]:
    found: dict[str, Any] = {"primary": primary, "split": "test", "examples": 1080, "tuned": {primary: tuned}}
    if base is not None and tuned is not None:
        gain = {"delta": tuned - base, **({"ci95": list(interval)} if interval else {})}
        found |= {"base": {primary: base}, "gain": {primary: gain}}
    return found


def test_help_is_told_with_the_figures() -> None:
    found = judge({**scores(0.08, 0.83, (0.72, 0.78)), "flips": {"fixed": 1812, "broken": 3}})
    assert (found.tone, found.headline, found.value, found.base) == ("good", "Tuning helped", "83.0%", "8.0%")
    assert found.sentence == "Accuracy rose from 8.0% to 83.0% on 1,080 test rows: +75.0 points, 95% interval +72.0 to +78.0."
    assert found.flips == "Better than the base model on 1,812 rows, worse on 3."
    assert found.advice == ""


def test_bad_news_is_plain() -> None:
    found = judge(scores(0.83, 0.70, (-0.15, -0.11)))
    assert (found.tone, found.headline, found.advice) == ("bad", "Tuning made it worse", "Use the base model, not this one.")
    assert "fell from 83.0% to 70.0%" in found.sentence
    assert "−13.0 points" in found.sentence


def test_an_interval_around_zero_decides_nothing() -> None:
    assert judge(scores(0.80, 0.81, (-0.01, 0.03))).headline == "No clear difference"
    assert judge(scores(0.80, 0.80, (0.0, 0.0))).headline == "No difference"


def test_the_direction_of_errors_is_turned() -> None:
    assert judge(scores(2.0, 1.5, (-0.6, -0.4), primary="rmse")).tone == "good"
    assert judge(scores(1.5, 2.0, (0.4, 0.6), primary="rmse")).tone == "bad"
    assert judge(scores(1.5, 1.6, (-0.1, 0.3), primary="rmse")).tone == "mixed"


def test_a_baseline_as_good_is_told() -> None:
    found = judge({**scores(0.08, 0.83, (0.72, 0.78)), "baselines": {"majority": {"accuracy": 0.1}, "tfidf": {"accuracy": 0.85}}})
    assert found.tone == "mixed"
    assert found.advice == "TF-IDF + logistic regression reaches 85.0%, for much less work."
    unclear = judge({**scores(0.80, 0.81, (-0.01, 0.03)), "baselines": {"probe": {"accuracy": 0.9}}})
    assert unclear.headline == "No clear difference"
    assert unclear.advice.endswith(" reaches 90.0%, for much less work.")
    lower = judge({**scores(2.0, 1.5, (-0.6, -0.4), primary="rmse"), "baselines": {"mean": {"rmse": 1.2}}})
    assert lower.tone == "mixed"


def test_a_model_that_knows_one_label_alone_is_no_good() -> None:
    found = scores(0.67, 0.52, (-0.35, 0.06))
    found["tuned"] |= {"confusion": [[0, 26], [0, 28]], "per_class": {"bad": {}, "good": {}}}
    told = judge(found)
    assert (told.tone, told.headline) == ("bad", "Every row gets one label")
    assert told.advice.startswith("Each is called good, as by a model that has learned nothing")
    found["tuned"]["confusion"] = [[1, 25], [0, 28]]
    assert judge(found).headline == "No clear difference"
    found["tuned"]["confusion"] = [[0, 0], [0, 28]]
    assert judge(found).headline == "No clear difference", "there are no other rows"


def test_a_model_that_gives_no_label_at_all_is_no_good() -> None:
    found = scores(0.2, 0.0, primary="f1_micro")
    found["tuned"]["per_class"] = {"a": {"support": 3, "predicted": 0}, "b": {"support": 0, "predicted": 0}}
    told = judge(found)
    assert (told.tone, told.headline) == ("bad", "No row gets a label")
    assert "as by a model that has learned nothing" in told.advice
    assert "threshold" not in told.advice
    found["tuned"] |= {"best_f1_micro": 0.412, "best_threshold": 0.1234}
    assert "With task.threshold 0.12 F1 micro would be 41.2% here." in judge(found).advice
    found["tuned"]["per_class"]["b"]["predicted"] = 1
    assert judge(found).headline != "No row gets a label"


def test_a_model_that_tells_rows_apart_has_learned_something() -> None:
    found = scores(0.5, 0.48, (-0.2, 0.17))
    found["tuned"] |= {"confusion": [[0, 26], [0, 28]], "per_class": {"bad": {}, "good": {}}, "auc": 0.858}
    told = judge(found)
    assert told.headline == "Every row gets one label"
    assert told.advice.startswith("Each is called good, yet the model has learned to tell rows apart (AUC is 0.858)")
    found["tuned"]["auc"] = 0.55
    assert "learned nothing" in judge(found).advice


def test_members_are_no_baselines() -> None:
    members = {"seed-0": {"accuracy": 0.83}, "seed-1": {"accuracy": 0.8}}
    found = judge({**scores(0.08, 0.83, (0.72, 0.78)), "baselines": members, "ensemble": {}})
    assert (found.tone, found.headline) == ("mixed", "Better than the base model, not better than one of its members")
    assert found.advice == "Its member seed-0 reaches 83.0% alone, for less work."


def test_rows_that_changed_are_counted_where_there_are_any() -> None:
    assert judge({**scores(0.7, 0.73, (0.01, 0.05)), "flips": {"fixed": 0, "broken": 0}}).flips == ""
    assert judge({**scores(0.7, 0.73, (0.01, 0.05)), "flips": {"fixed": 0, "broken": 2}}).flips.endswith("worse on 2.")


def test_nobody_is_told_to_use_chance() -> None:
    found = judge({**scores(0.83, 0.70, (-0.15, -0.11)), "base_is": "chance"})
    assert (found.tone, found.headline, found.advice) == ("bad", "Worse than chance", "Do not use this model.")


@pytest.mark.parametrize(
    ("how", "name"),
    [
        (None, "base model"),
        ("as it is", "base model"),
        ("chance", "base model, by chance"),
        ("zero-shot by label names", "base model, zero-shot by label names"),
    ],
)
def test_what_the_base_is_has_a_name(how: str | None, name: str) -> None:
    assert base_name({"base_is": how} if how else {}) == name


def test_the_interval_that_decides_is_shown() -> None:
    found = scores(0.5, 0.531, primary="f1")
    found["gain"]["correct"] = {"delta": 0.02, "ci95": [-0.01, 0.05]}
    told = judge(found)
    assert told.headline == "No clear difference"
    assert told.sentence.endswith("+3.1 points. Row by row, how right they are changed by +0.020, 95% interval −0.010 to +0.050.")


def test_without_an_interval_the_gain_decides() -> None:
    assert judge(scores(0.5, 0.6)).tone == "good"
    assert judge(scores(0.6, 0.5)).tone == "bad"
    assert "interval" not in judge(scores(0.5, 0.6)).sentence


def test_what_cannot_be_compared_is_said() -> None:
    assert judge({}).headline == "Not evaluated"
    assert judge(scores(None, 0.7)).headline == "Tuned, not compared"
    assert judge(scores(float("nan"), 0.7)).headline == "Tuned, not compared"
    for undefined in (float("nan"), None):  # scores.json has no word for NaN
        found = judge(scores(0.5, undefined))
        assert (found.tone, found.sentence) == ("bad", "Accuracy could not be computed on 1,080 test rows.")


def test_the_rows_decide_where_the_metric_has_no_interval() -> None:
    def found(low: float, high: float) -> str:
        without = scores(0.5, 0.6, primary="f1_macro")
        return judge({**without, "gain": {**without["gain"], "correct": {"delta": (low + high) / 2, "ci95": [low, high]}}}).tone

    assert [found(0.01, 0.2), found(-0.1, 0.2), found(-0.2, -0.1)] == ["good", "mixed", "mixed"]
