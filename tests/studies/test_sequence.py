"""Lifelong learning: every stage is judged after each, the union of labels has one head, and the report says what was forgotten."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

import tunesmith
from runs import Train, rows
from tunesmith.core.errors import InputError
from tunesmith.studies.sequence import labels_come_anew

PLACES = [{"text": f"the {word} city {number}", "label": "city"} for number in range(8) for word in ("paris", "big")]
SOUNDS = [{"text": f"a {word} song {number}", "label": "song"} for number in range(8) for word in ("sad", "slow")]


def domains() -> list[dict[str, Any]]:
    other = [{"text": f"it was {row['text']}", "label": row["label"]} for row in rows(24)]
    return [{"name": "films", "data": {"train": rows(24)}}, {"name": "plays", "data": {"train": other}}]


def test_all_stages_are_judged_after_each(train: Train) -> None:
    report = train("lifelong", sequence=domains())
    found = report.scores["sequence"]
    assert found["stages"] == ["films", "plays"]
    assert [len(row) for row in found["matrix"]] == [2, 2]
    assert found["average"] == pytest.approx(sum(found["matrix"][1]) / 2)
    assert found["forgetting"] == pytest.approx(found["matrix"][0][0] - found["matrix"][1][0])
    own = [stage["tuned"]["accuracy"] for stage in report.scores["stages"]]
    assert [found["matrix"][0][0], found["matrix"][1][1]] == pytest.approx(own)
    assert json.loads((report.folder / "across.json").read_text(encoding="utf-8"))["scores"] == found["untrained"]
    assert report.scores["stages"][1]["base"]["accuracy"] == found["matrix"][0][1]
    still = train("still", sequence=domains(), training={"epochs": 1, "learning_rate": 1e-9, "head_rate": 1e-9}).scores["sequence"]
    assert still["untrained"] == still["matrix"][0] == found["untrained"]  # with its head, not by chance
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert "after films" in page
    assert "forgetting" in page


def test_other_labels_need_their_union(train: Train) -> None:
    sequence = [{"name": "films", "data": {"train": rows(24)}}, {"name": "other", "data": {"train": PLACES + SOUNDS}}]
    with pytest.raises(InputError, match=r'other has city, song.* {text_classification: {labels: \["bad", "good", "city", "song"\]}}'):
        train("wrong", sequence=sequence)
    task = {"text_classification": {"labels": ["bad", "good", "city", "song"]}}
    report = train("union", sequence=sequence, task=task)
    assert tunesmith.load(report.folder).task.labels == ["bad", "good", "city", "song"]
    assert len(report.scores["sequence"]["matrix"]) == 2


@pytest.mark.parametrize(
    ("second", "rates", "expected"),
    [(PLACES + SOUNDS, {}, 1e-3), (rows(24), {}, None), (PLACES + SOUNDS, {"learning_rate": 1e-4}, None)],
)
def test_labels_that_no_stage_before_had_are_learned_at_the_rate_of_a_new_head(
    train: Train, second: list[dict[str, Any]], rates: dict[str, float], expected: float | None
) -> None:
    sequence = [{"name": "films", "data": {"train": rows(24)}}, {"name": "other", "data": {"train": second}}]
    task = {"text_classification": {"labels": ["bad", "good", "city", "song"]}}
    training = {"epochs": 1, "batch_size": 8, "precision": "float32", **rates}
    report = train("anew", sequence=sequence, task=task, training=training)
    stages = [tunesmith.read_recipe(folder / "recipe.resolved.yaml") for folder in sorted(report.folder.glob("[12]-*"))]
    assert [stage.training.head_rate for stage in stages] == [None, expected]


def test_the_labels_of_a_stage_are_read_once() -> None:
    read: list[str] = []

    class Part:
        def __init__(self, name: str, labels: list[int]) -> None:
            self.name, self.labels = name, labels

        @property
        def train(self) -> list[dict[str, int]]:
            read.append(self.name)
            return [{"label": label} for label in self.labels]

    parts: list[Any] = [Part(name, labels) for name, labels in (("a", [0, 1]), ("b", [1]), ("c", [1, 2]), ("d", [2]))]
    stage: Any = SimpleNamespace(training=SimpleNamespace(learning_rate=None, head_rate=None), task=SimpleNamespace(kind="single"))
    assert labels_come_anew([stage] * 4, parts) == [False, False, True, False]
    assert read == ["a", "b", "c", "d"]
