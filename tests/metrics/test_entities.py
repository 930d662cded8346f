"""Entities against seqeval: ``tests/reference/entities.py`` wrote the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.metrics.entities import entities, entity_f1, entity_scores

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
