"""Sections on the outcome, as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tunesmith.report import outcome
from tunesmith.report.facts import Facts


def with_scores(facts: Facts, **scores: Any) -> Facts:
    return replace(facts, scores={**facts.scores, **scores})


def test_contenders_stand_from_base_to_tuned(facts: Facts) -> None:
    section = outcome.standing(facts)
    assert section is not None
    items = section.data["items"]
    assert [item["label"] for item in items] == ["base model", "majority class", "TF-IDF + logistic regression", "tuned model"]
    assert items[-1]["interval"] == pytest.approx((0.74, 0.96))
    assert section.data["high"] == 1.0


def test_only_what_was_measured_stands(facts: Facts) -> None:
    section = outcome.standing(with_scores(facts, baselines={"tfidf": {"f1_macro": 0.5}}))
    assert section is not None
    assert [item["label"] for item in section.data["items"]] == ["base model", "tuned model"]


def test_every_score_has_a_row_and_its_gain(facts: Facts) -> None:
    section = outcome.every_score(facts)
    assert section is not None
    assert [column["name"] for column in section.data["columns"]][:4] == ["metric", "base model", "tuned model", "gain (95% interval)"]
    assert section.data["rows"][0] == ["accuracy", "30.0%", "85.0%", "+55.0 (+44.0 to +66.0)", "40.0%", "70.0%"]
    assert section.data["rows"][2] == ["log loss ↓", "0.610", "0.610", "+0.000", "–", "–"]


def test_a_metric_of_some_rows_says_of_how_many(facts: Facts) -> None:
    scores = {"base": {"loss": 2.0, "reward": 0.25}, "tuned": {"loss": 1.0, "reward": 0.5}}
    section = outcome.every_score(with_scores(facts, **scores, judged_by={"reward": 3}))
    assert section is not None
    assert section.data["rows"][1][:3] == ["reward", "0.250", "0.500"]
    assert section.about.endswith("Reward: 3 rows.")


@pytest.mark.parametrize(("split", "words"), [("validation", "a little less"), ("train", "nothing about new data")])
def test_rows_that_are_not_held_out_are_confessed(facts: Facts, split: str, words: str) -> None:
    section = outcome.every_score(with_scores(facts, split=split))
    assert section is not None
    assert words in section.about


def test_classes_come_weakest_first_and_not_without_end(facts: Facts) -> None:
    section = outcome.per_class(facts)
    assert section is not None
    shares = [row[1] for row in section.data["rows"]]
    assert shares == sorted(shares)
    assert section.data["rows"][0][0] == "neutral"
    many = {str(i): {"precision": 0.5, "recall": 0.5, "f1": i / 1000, "support": 1} for i in range(130)}
    section = outcome.per_class(with_scores(facts, tuned={"accuracy": 0.5, "per_class": many}))
    assert section is not None
    assert len(section.data["rows"]) == outcome.CLASSES
    assert "30 strongest are left out" in section.about


def test_epochs_are_marked_where_they_end(facts: Facts) -> None:
    section = outcome.loss_curve(facts)
    assert section is not None
    assert [(round(mark["at"]), mark["label"]) for mark in section.data["marks"]] == [(20, "epoch 1"), (40, "epoch 2")]
    assert [one["name"] for one in section.data["series"]] == ["each step", "training loss, smoothed", "validation loss"]


def test_the_best_evaluation_is_marked_in_the_metric_s_direction(facts: Facts) -> None:
    def best(primary: str) -> float:
        section = outcome.score_curve(with_scores(facts, primary=primary))
        assert section is not None
        return float(section.data["marks"][0]["at"])

    events = [{"event": "evaluation", "step": s, "scores": {"accuracy": a, "log_loss": a}} for s, a in ((1, 0.5), (2, 0.9), (3, 0.1))]
    facts = replace(facts, events=events)
    assert (best("accuracy"), best("log_loss")) == (2, 3)


def test_mix_ups_are_listed_where_the_matrix_is_large(facts: Facts) -> None:
    assert outcome.mixed_up(facts) is None
    labels = [f"c{i}" for i in range(10)]
    counts = [[8 if i == j else 0 for j in range(10)] for i in range(10)]
    counts[3][4] = 2
    section = outcome.mixed_up(with_scores(facts, tuned={"labels": labels, "confusion": counts}))
    assert section is not None
    assert section.data["rows"] == [["c3", "c4", 2, 0.2]]


def test_further_tests_stand_below_the_rows_that_decided(facts: Facts) -> None:
    assert outcome.every_test(facts) is None
    worse = {**facts.scores, "split": "target", "examples": 1040, "base": {"accuracy": 0.5}, "tuned": {"accuracy": 0.4}}
    worse |= {"gain": {"accuracy": {"delta": -0.1, "ci95": [-0.2, -0.05]}}}
    section = outcome.every_test(replace(facts, scores={**facts.scores, "tests": {"target": worse}}))
    assert section is not None
    assert section.data["rows"] == [
        ["test", "accuracy", "100", "30.0%", "85.0%", "+55.0 (+44.0 to +66.0)", "Tuning helped"],
        ["target", "accuracy", "1,040", "50.0%", "40.0%", "−10.0 (−20.0 to −5.0)", "Tuning made it worse"],
    ]
    assert len(section.data["columns"]) == 7
