"""Entities against seqeval: ``tests/reference/entities.py`` wrote the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.evaluate.compare import Judged, gain
from tunesmith.metrics.entities import entities, entity_f1, entity_scores, tags_over

CASES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "reference/entities.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_entities_are_those_of_seqeval(name: str) -> None:
    case = CASES[name]
    for tags, found in zip(case["predicted"], case["entities"], strict=True):
        assert entities(tags) == [tuple(entity) for entity in found]


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_seqeval(name: str) -> None:
    case = CASES[name]
    found, report = entity_scores(case["predicted"], case["truths"]), case["report"]
    names = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}
    for kind, scores in found["per_class"].items():
        assert scores == pytest.approx({name: report[kind][theirs] for name, theirs in names.items()})
    assert report.keys() == found["per_class"].keys() | {"micro avg", "macro avg", "weighted avg"}
    assert {name: found[name] for name in ("precision", "recall", "f1")} == pytest.approx(
        {name: report["micro avg"][names[name]] for name in ("precision", "recall", "f1")}
    )
    assert found["f1_macro"] == pytest.approx(report["macro avg"]["f1-score"])
    assert found["accuracy"] == pytest.approx(case["accuracy"])


def test_one_sentence() -> None:
    assert entity_f1(["B-X", "O", "S-Y"], ["B-X", "O", "B-Z"]) == 0.5
    assert entity_f1(["O"], ["O"]) == 1
    assert entity_f1(["O"], ["B-X"]) == 0


def test_nothing_at_all() -> None:
    assert entity_scores([], []) == {"f1": 0, "precision": 0, "recall": 0, "f1_macro": 0, "accuracy": 0, "per_class": {}}


TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]


def drawn(seed: int, wrong: float) -> tuple[list[list[str]], list[list[str]]]:
    """Tags of 60 sentences, with a share of wrong ones, and the true ones."""
    generator = np.random.default_rng(seed)
    truths = [[TAGS[tag] for tag in generator.choice(5, length, p=[0.6, 0.15, 0.1, 0.1, 0.05])] for length in range(4, 64)]
    chances = np.random.default_rng(seed + 1 + int(100 * wrong))
    return [[str(chances.choice(TAGS)) if chances.random() < wrong else tag for tag in tags] for tags in truths], truths


@pytest.mark.parametrize(("plain", "metric"), [(False, "f1"), (True, "accuracy")])
def test_scores_of_any_sentences_are_those_of_their_tags(plain: bool, metric: str) -> None:
    predicted, truths = drawn(0, 0.3)
    over = tags_over(predicted, truths, plain)
    for chosen in (np.arange(60), np.array([3, 3, 17, 59, 0])):
        expected = entity_scores([predicted[row] for row in chosen], [truths[row] for row in chosen])[metric]
        assert over(chosen) == pytest.approx(expected)


def test_the_interval_of_f1_is_that_of_sentences_drawn_by_hand() -> None:
    """Sentences are drawn again and again, and all tags of each drawing scored anew; both models have the same drawing."""
    (before, truths), (after, _) = drawn(0, 0.5), drawn(0, 0.2)
    generator, differences = np.random.default_rng(9), []
    for _ in range(400):
        chosen = generator.integers(0, 60, 60)
        scores = [entity_scores([own[row] for row in chosen], [truths[row] for row in chosen])["f1"] for own in (before, after)]
        differences.append(scores[1] - scores[0])
    judged = [
        Judged(entity_scores(own, truths), [entity_f1(*pair) for pair in zip(own, truths, strict=True)], over=tags_over(own, truths, False))
        for own in (before, after)
    ]
    found = gain("f1", *judged)
    assert found.keys() == {"f1"}
    assert found["f1"]["delta"] == pytest.approx(judged[1].metrics["f1"] - judged[0].metrics["f1"])
    assert found["f1"]["ci95"] == pytest.approx(np.percentile(differences, [2.5, 97.5]).tolist(), abs=0.02)
