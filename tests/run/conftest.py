"""Whole runs of a second or two, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
import tunesmith
from runs import TRAINING, Train, rows
from tunesmith.run import Report


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.folder(tmp_path_factory.mktemp("models")))


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A small file of reviews."""
    path = tmp_path / "reviews.csv"
    path.write_text("review,stars\n" + "".join(f'"{row["text"]}",{row["label"]}\n' for row in rows()), encoding="utf-8")
    return str(path)


@pytest.fixture
def train(tmp_path: Path, model: str, table: str) -> Train:
    """``train(name, ...)``: a small run of some seconds at most; ``data``, ``training`` and further keys change the recipe."""

    def run(name: str, data: Any = None, training: Any = None, watch: Any = (), **keys: Any) -> Report:
        keys = {"model": model, "task": "text_classification", "baselines": False, **keys}
        keys["data"] = {"train": table, "test": "20%", **(data or {})}
        return tunesmith.train(keys | {"training": TRAINING | (training or {})}, run=name, runs=tmp_path / "runs", watch=watch)

    return run
