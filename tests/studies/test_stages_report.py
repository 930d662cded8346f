"""The report on stages: the whole run beside the untouched base, and all stages in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runs import Train, rows
from tunesmith.studies.stages_report import table

TWO = [
    {"name": "easy", "data": {"train": rows(24)}},
    {"name": "hard", "data": {"train": rows(40)}, "training": {"steps": 12, "precision": "float32"}},
]


def test_the_whole_run_is_compared_with_the_untouched_base(train: Train) -> None:
    report = train("two", stages=TWO, training={"epochs": 6, "batch_size": 8, "learning_rate": 5e-3})
    first, last = (json.loads((report.folder / name / "scores.json").read_text(encoding="utf-8")) for name in ("1-easy", "2-hard"))
    assert (last["base_is"], last["base"]["accuracy"]) == ("as it is", report.scores["stages"][1]["base"]["accuracy"])
    assert report.scores["base_is"] == first["base_is"] == "zero-shot by label names"
    alone = train("alone", data={"train": rows(40), "test": "30%"})  # the same rows, and the same base
    assert report.scores["base"] == alone.scores["base"]
    assert report.scores["tuned"] == last["tuned"]
    delta = report.scores["tuned"]["accuracy"] - report.scores["base"]["accuracy"]
    assert report.scores["gain"]["accuracy"]["delta"] == pytest.approx(delta)
    assert report.facts.examples[0].keys() >= {"base", "predicted"}


def test_rows_time_and_curves_are_those_of_all_stages(train: Train) -> None:
    report = train("two", stages=TWO)
    parts = [json.loads((report.folder / name / "data.json").read_text(encoding="utf-8"))["rows"]["train"] for name in ("1-easy", "2-hard")]
    assert report.facts.rows["train"] == sum(parts)
    assert report.facts.seconds == report.scores["seconds"]["train"]
    assert abs(report.facts.seconds - sum(stage["seconds"]["train"] for stage in report.scores["stages"])) < 0.02
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert ">Loss: 1-easy<" in page
    assert ">Loss: 2-hard<" in page
    assert ">Loss<" not in page


def test_the_data_of_all_stages_is_named(train: Train, tmp_path: Path) -> None:
    for name, many in (("easy", 24), ("hard", 40)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(many)), encoding="utf-8")
    stages = [{"name": name, "data": {"train": str(tmp_path / f"{name}.jsonl")}} for name in ("easy", "hard")]
    report = train("named", stages=stages, training={"steps": 1})
    assert report.facts.datasets == ["easy.jsonl", "hard.jsonl"]
    assert "easy.jsonl, hard.jsonl" in (report.folder / "report.html").read_text(encoding="utf-8")


def test_the_lengths_of_the_texts_of_all_stages_are_shown_and_what_was_cut(train: Train) -> None:
    task = {"text_classification": {"max_length": 8}}
    stages = [{"name": "short", "data": {"train": rows(24)}, "task": task}, {**TWO[1], "task": "text_classification"}]
    report = train("sizes", task=None, stages=stages, training={"steps": 1})
    first = json.loads((report.folder / "1-short" / "data.json").read_text(encoding="utf-8"))["sizes"]
    assert first["lengths"]["8"] >= first["truncated"] > 0
    assert len(report.facts.lengths) == report.facts.rows["train"]
    assert (report.facts.truncated, report.facts.bounds) == (first["truncated"], "task.max_length 8 or what the model takes")
    assert report.facts.max_length is None
    cut = f"{first['truncated']} of {report.facts.rows['train']} rows were cut, by task.max_length 8 or what the model takes."
    assert cut in (report.folder / "report.html").read_text(encoding="utf-8")


def test_what_strategies_show_is_that_of_all_stages(train: Train) -> None:
    first, second = ({**stage, "training": {"steps": 4, "evaluate_every": "2st"}} for stage in TWO)
    report = train("two", stages=[first | {"strategies": ["clip", "augment", "dataset_map"]}, second | {"strategies": ["clip", "replay"]}])
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert ">Dataset map: 1-easy<" in page
    assert ">Hard and ambiguous rows: 1-easy<" in page
    assert "Dataset map: 2-hard" not in page
    assert [change["strategy"] for change in report.facts.changes] == ["1-easy: augment"] * 10
    assert page.count(">1-easy: augment<") == 11  # as a strategy, and on each of the rows
    found = {strategy["name"]: strategy["parts"] for strategy in report.facts.strategies}
    assert found == {"clip": [], "augment": ["1-easy"], "dataset_map": ["1-easy"], "replay": ["2-hard"]}
    card = (report.folder / "README.md").read_text(encoding="utf-8")
    assert "- 2-hard: `replay`: " in card
    assert "- `clip`: " in card


def test_stages_are_written_as_scores_are_everywhere() -> None:
    ends = {"base": {"f1_macro": 0.5}, "tuned": {"f1_macro": 0.75}}
    stage = {"name": "1-easy", "task": "text_classification", "primary": "f1_macro", **ends, "examples": 1200, "seconds": {"train": 75.0}}
    head, [row] = table([stage])
    assert dict(zip(head, row, strict=True)) == {
        "stage": "1-easy",
        "task": "text classification",
        "metric": "F1 macro",
        "before": "50.0%",
        "after": "75.0%",
        "rows": "1,200",
        "time": "1 min 15 s",
    }
