"""Rows beside those of a run: from files, from Python, from another run, with and without their truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import Task
from tunesmith.data.extra import extra, extra_rows

ROWS = [{"review": f"word {'more ' * number}", "stars": "ab"[number % 2]} for number in range(20)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "past.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def finished(folder: Path, data: dict[str, Any], **whole: Any) -> Path:
    """A run as this module reads it: of ``data``, or of the parts in ``whole``."""
    folder.mkdir()
    written = {**(whole or {"data": data}), "seed": 0, "base_folder": str(folder.parent)}
    (folder / "recipe.resolved.yaml").write_text(json.dumps(written), encoding="utf-8")
    return folder


def part(task: Task, data: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A stage of a run, or a task of several, as it is written down."""
    own = type(task)
    return {"task": {f"{own.__module__}:{own.__qualname__}": {"labels": ["a", "b"], **settings}}, "data": data}


def test_rows_of_a_file_and_of_python_are_encoded_by_the_task(task, table: Path) -> None:
    task.labels = ["a", "b"]
    items = extra("past.jsonl", task, None, table.parent)
    assert len(items) == 20
    assert [item["label"] for item in items[:3]] == [0, 1, 0]
    assert list(extra(ROWS, task, None)) == list(items)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_folder_means_all_of_its_files(task, table: Path, labelled: bool) -> None:
    task.labels = ["a", "b"]
    table.with_name("more.jsonl").write_bytes(table.read_bytes())
    assert len(extra_rows(str(table.parent), task, labelled=labelled)) == len(extra_rows(".", task, table.parent, labelled)) == 40


def test_a_run_may_be_told_by_its_name(task, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task.labels = ["a", "b"]
    (tmp_path / "runs").mkdir()
    run = finished(tmp_path / "runs" / "first", {"train": str(table), "validation": None, "test": None})
    monkeypatch.chdir(tmp_path)
    assert extra_rows("first", task) == extra_rows(run, task)


def test_without_labels_the_truth_is_not_looked_at(task, table: Path) -> None:
    task.labels = ["x"]
    assert list(extra_rows(table, task, labelled=False)) == [{"text": row["review"]} for row in ROWS]
    with pytest.raises(InputError, match="'a' is not a known label"):
        extra_rows(table, task)
    with pytest.raises(InputError, match="cell is empty"):
        extra_rows([{"text": ""}, {"text": "fine"}], task, labelled=False)


@pytest.mark.parametrize("kind", ["", "stages", "sequence", "tasks"])
def test_a_run_means_its_training_rows(task, table: Path, tmp_path: Path, kind: str) -> None:
    """What it held out to judge by stays out, and so do parts of other tasks, or with labels that this one does not know."""
    task.labels = ["a", "b"]
    data = {"train": table.name, "validation": "20%", "test": None}
    own = part(task, data)
    other = {"task": {"masked_language_modelling": {}}, "data": {"train": "plain.txt"}}
    several = [other, own, part(task, {"train": "gone.csv"}, labels=["c"]), part(task, {"train": "gone.csv"}, kind="multi"), own]
    parts = {
        "": {},
        "stages": {"stages": several},
        "sequence": {"task": own["task"], "sequence": [{"data": data}, {"data": data}]},
        "tasks": {"tasks": {str(number): entry for number, entry in enumerate(several)}},
    }
    run = finished(tmp_path / "run", data, **parts[kind])
    rows = extra_rows(run, task)
    held_out = len(ROWS) - len(rows) // (2 if kind else 1)
    assert 0 < held_out < 10
    assert all(row in [{"text": r["review"], "label": "ab".index(r["stars"])} for r in ROWS] for row in rows)
    assert extra_rows(run, task, labelled=False) == [{"text": row["text"]} for row in rows]
    assert task.labels == ["a", "b"]


def test_a_run_without_a_part_of_the_task_is_refused_with_the_remedy(task, table: Path, tmp_path: Path) -> None:
    task.labels = ["a", "b"]
    run = finished(tmp_path / "run", {}, tasks={"other": part(task, {"train": table.name}, labels=["a", "c"])})
    with pytest.raises(InputError, match="no part of this run has the task and the labels of this one"):
        extra_rows(run, task)


def test_a_run_whose_rows_are_gone_is_refused_with_the_remedy(task, tmp_path: Path) -> None:
    task.labels = ["a", "b"]
    run = finished(tmp_path / "run", {"train": "gone.csv"})
    with pytest.raises(InputError, match=r"(?s)Name the file of the rows instead.*no such file"):
        extra_rows(run, task)
