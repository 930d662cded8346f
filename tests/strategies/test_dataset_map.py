"""A dataset map: the paper's two numbers, and what is told of the rows."""

from __future__ import annotations

from pathlib import Path

import torch

from training import same, tiny_fit, weights
from tunesmith.core.task import Row, Task
from tunesmith.engine.events import read_events
from tunesmith.report.facts import Section
from tunesmith.report.render import render
from tunesmith.strategies.dataset_map import DatasetMap, cartography
from tunesmith.tasks.text_classification import TextClassification


def test_confidence_and_variability_are_mean_and_deviation() -> None:
    confidence, variability = cartography(torch.tensor([[0.2, 1.0], [0.6, 1.0], [1.0, 1.0]]))
    torch.testing.assert_close(confidence, torch.tensor([0.6, 1.0]))
    torch.testing.assert_close(variability, torch.tensor([(2 * 0.16 / 3) ** 0.5, 0.0]))


def wrong() -> tuple[Task, list[Row]]:
    """The example with a row that is labelled wrongly."""
    task, rows = TextClassification.example()
    rows[0] = {**rows[0], "label": "bad" if rows[0]["label"] == "good" else "good"}
    return task, rows


def test_the_hardest_row_is_told(tmp_path: Path) -> None:
    observer = DatasetMap(num_rows=1)
    tiny_fit(tmp_path, [observer], wrong, steps=12, learning_rate=3e-3, dropout=0.0)
    assert observer.chances.shape == (4, 12)
    hardest = int(cartography(observer.chances)[0].argmin())
    said = [event["text"] for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say"]
    assert said[-2].startswith(f"dataset_map: hard: row {hardest}, confidence 0.")
    assert said[-1].startswith("dataset_map: ambiguous: row ")
    chart, told = (Section(**section) for section in observer.sections())
    assert [(one["name"], len(one["points"])) for one in chart.data["series"]] == [("training rows", 12), ("hard", 1), ("ambiguous", 1)]
    assert [item["name"].partition(":")[0] for item in told.data["items"]] == ["hard", "ambiguous"]
    assert "Dataset map" in chart.title
    assert all(map(render, (chart, told)))


def test_it_changes_nothing_and_one_evaluation_says_nothing(tmp_path: Path) -> None:
    watched = tiny_fit(tmp_path, [DatasetMap()], steps=3)
    assert same(weights(watched), weights(tiny_fit(None, steps=3)))
    assert (
        "fewer than two evaluations" in [event for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say"][-1]["text"]
    )
