"""Rows without labels: read by the task, labels unread and those unknown told, drawn alike after a resume."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.data.unlabelled import batch_of, drawn, unlabelled
from tunesmith.tasks.text_classification import TextClassification

ROWS = [{"text": "a good film", "label": "good"}, {"text": "a cat", "label": "sports"}]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(said: list[str]) -> Run:
    task = TextClassification(kind="single", labels=["bad", "good"], pairs=False)
    model: Any = SimpleNamespace()
    return Run(model, task, model, Clock(3, 9, 3), torch.device("cpu"), 0, said.append, tokenizer=tiny.tokenizer())


def test_labels_are_not_read_and_unknown_ones_are_told(run: Run, said: list[str]) -> None:
    rows = unlabelled(ROWS, run, "mmd", "target")
    assert len(rows) == 2
    assert "label" not in rows[0]
    assert said[0] == "mmd: 2 rows without labels"
    assert "labels that this run has not: sports. They are not read" in said[1]
    said.clear()
    unlabelled(["a good film"], run, "mmd", "target")
    assert said == ["mmd: 1 row without labels"]


def test_a_file_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("a good film\na cat\n", encoding="utf-8")
    assert len(unlabelled(str(tmp_path / "rows.txt"), run, "mmd", "target")) == 2


def test_no_rows_and_no_file_are_refused(run: Run) -> None:
    for nothing in ("", [], None):
        with pytest.raises(InputError, match=r"mmd: there are no rows without labels\. Name a file: mmd: \{target: FILE\}"):
            unlabelled(nothing, run, "mmd", "target")
    with pytest.raises(InputError, match="no such file"):
        unlabelled("nowhere.csv", run, "mmd", "target")


def test_a_step_draws_the_same_and_another_does_not(run: Run) -> None:
    rows = unlabelled([f"a film {i}" for i in "012345"], run, "mmd", "target")
    first = [row["row"] for row in drawn(rows, 20, run, "mmd")]
    assert [row["row"] for row in drawn(rows, 20, run, "mmd")] == first
    run.clock = run.clock.at(4)
    assert [row["row"] for row in drawn(rows, 20, run, "mmd")] != first
    assert batch_of(drawn(rows, 20, run, "mmd"), run).inputs["input_ids"].shape == (20, 5)
