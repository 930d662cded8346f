"""A dataset map: the paper's two numbers, and what is told of the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import tiny
from training import TRAINING, same, tiny_fit, weights
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import encode
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.engine.events import read_events
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import scorer
from tunesmith.model.build import Model
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


def test_rows_are_named_by_file_and_line_with_their_labels(tmp_path: Path) -> None:
    lines = ["text,label", *(f"{row['text']},{row['label']}" for row in TextClassification.example()[1])]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    task, observer = TextClassification(max_length=16), DatasetMap(num_rows=2)
    data = load(DataSettings(train=str(file), validation="30%", labels={"good": "fine"}), task, 0)
    model = Model(tiny.bert(num_labels=2), tiny.tokenizer(), None, "", ())  # type: ignore[arg-type]
    rows = encode(data.train, task, tiny.tokenizer())
    fit(model, task, rows, [], replace(TRAINING, steps=6), scorer(task, data.train, rows, tiny.tokenizer()), [observer])
    for item in observer.sections()[1]["data"]["items"]:
        place, label = item["name"].partition(": ")[2], dict(tag[:2] for tag in item["tags"])["label"]
        name, line = place.rpartition(":")[::2]
        assert name == str(file)
        text, _, written = lines[int(line) - 1].rpartition(",")
        assert {*item["text"].split()} <= {*text.split()}
        assert written == label.replace("fine", "good")


def test_it_changes_nothing_and_one_evaluation_says_nothing(tmp_path: Path) -> None:
    watched = tiny_fit(tmp_path, [DatasetMap()], steps=3)
    assert same(weights(watched), weights(tiny_fit(None, steps=3)))
    assert (
        "fewer than two evaluations" in [event for event in read_events(tmp_path / "events.jsonl") if event["event"] == "say"][-1]["text"]
    )
