"""Rows beside those of a run: from files, from Python, from another run, with and without their truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.extra import extra, extra_rows

ROWS = [{"review": f"word {'more ' * number}", "stars": "ab"[number % 2]} for number in range(20)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "past.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def finished(folder: Path, data: dict[str, Any], stages: bool = False) -> Path:
    """A run as this module reads it."""
    folder.mkdir()
    part = {"stages": [{"data": data}, {"data": data}]} if stages else {"data": data}
    (folder / "recipe.resolved.yaml").write_text(json.dumps({**part, "seed": 0, "base_folder": str(folder.parent)}), encoding="utf-8")
    return folder


def test_rows_of_a_file_and_of_python_are_encoded_by_the_task(task, table: Path) -> None:
    task.labels = ["a", "b"]
    items = extra("past.jsonl", task, None, table.parent)
    assert len(items) == 20
    assert [item["label"] for item in items[:3]] == [0, 1, 0]
    assert list(extra(ROWS, task, None)) == list(items)


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


@pytest.mark.parametrize("stages", [False, True])
def test_a_run_means_its_training_rows(task, table: Path, tmp_path: Path, stages: bool) -> None:
    """What it held out to judge by stays out."""
    task.labels = ["a", "b"]
    run = finished(tmp_path / "run", {"train": table.name, "validation": "20%", "test": None}, stages)
    rows = extra_rows(run, task)
    held_out = len(ROWS) - len(rows) // (1 + stages)
    assert 0 < held_out < 10
    assert all(row in [{"text": r["review"], "label": "ab".index(r["stars"])} for r in ROWS] for row in rows)
    assert extra_rows(run, task, labelled=False) == [{"text": row["text"]} for row in rows]
    assert task.labels == ["a", "b"]


def test_a_run_whose_rows_are_gone_is_refused_with_the_remedy(task, tmp_path: Path) -> None:
    task.labels = ["a", "b"]
    run = finished(tmp_path / "run", {"train": "gone.csv"})
    with pytest.raises(InputError, match=r"(?s)Name the file of the rows instead.*no such file"):
        extra_rows(run, task)
