"""Small runs of several stages, a second or two each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
import tunesmith
from runs import TRAINING, Train
from tunesmith.run import Report

SMALL = TRAINING | {"epochs": 1, "batch_size": 8}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.folder(tmp_path_factory.mktemp("models")))


@pytest.fixture
def train(tmp_path: Path, model: str) -> Train:
    """``train(name, stages=[...])`` or ``train(name, sequence=[...])``: a run of a few steps a stage."""

    def run(name: str, watch: Any = (), **keys: Any) -> Report:
        shared = {"model": model, "task": "text_classification", "baselines": False, "training": SMALL}
        return tunesmith.train(shared | {"data": {"test": "30%"}} | keys, run=name, runs=tmp_path / "runs", watch=watch)

    return run
