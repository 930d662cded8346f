"""Shared-out weights: two processes that hold a half of everything give the optimisation of one, and resume exactly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import sharded
import tiny
from training import TRAINING, same, tiny_fit, weights
from tunesmith.core.errors import InputError
from tunesmith.engine import distributed, shard
from tunesmith.strategies.clip import Clip
from tunesmith.strategies.sam import SAM

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes trained every case; starting them takes most of the time."""
    folder = tmp_path_factory.mktemp("sharded")
    sharded.run_case("adamw", folder / "one", "never")
    shutil.copytree(folder / "one" / sharded.RESUMED, folder / "from one" / sharded.RESUMED)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    command = [*launcher, str(HERE.parent / "sharded.py"), str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("name", [name for name in sharded.CASES if name != "adamw"])
def test_two_ranks_that_share_the_weights_give_those_of_one_process(name: str, done: Path) -> None:
    alone = sharded.run_case(name, None, "never")
    assert distance(load_file(done / f"{name}.safetensors"), weights(alone)) < 1e-5
    _, evaluations = json.loads((done / f"{name}.json").read_text())
    assert [scores["accuracy"] for scores in evaluations] == [scores["accuracy"] for scores in alone.run.evaluations]


def test_several_tasks_whose_rows_are_on_different_ranks(done: Path) -> None:
    assert distance(load_file(done / "mixture.safetensors"), weights(sharded.run_mixture("never"))) < 1e-5


def test_each_rank_holds_a_half(done: Path) -> None:
    held, whole = json.loads((done / "held.json").read_text())
    assert 0.45 < held / whole < 0.55


def test_what_is_shipped_is_a_plain_model(done: Path) -> None:
    assert json.loads((done / "everything.json").read_text())[0] == "BertForSequenceClassification"


def test_a_resumed_run_is_the_same_to_the_last_bit(done: Path) -> None:
    assert same(load_file(done / "resumed.safetensors"), load_file(done / "adamw.safetensors"))


def test_checkpoints_are_whole_and_go_on_in_any_number_of_processes(done: Path) -> None:
    shutil.copytree(done / "through" / sharded.RESUMED, done / "to one" / sharded.RESUMED)
    kept = load_file(done / "to one" / sharded.RESUMED / "model.safetensors")
    assert kept["/weights/bert.embeddings.word_embeddings.weight"].shape == torch.Size([len(tiny.VOCABULARY), 32])
    through = load_file(done / "adamw.safetensors")
    assert distance(weights(sharded.run_case("adamw", done / "to one", "never")), through) < 1e-4
    assert distance(load_file(done / "resumed from one.safetensors"), through) < 1e-4


def test_alone_there_is_nothing_to_share_out_to() -> None:
    with pytest.raises(InputError, match="There is one process, and nothing to share out to") as caught:
        tiny_fit(None, shard="always")
    assert "torchrun" in str(caught.value)


@pytest.mark.parametrize(
    ("strategies", "settings", "message"),
    [([Clip(), SAM()], {}, "'sam' needs whole weights"), ([], {"optimizer": "adamw_8bit"}, "adamw_8bit keeps numbers")],
)
def test_what_needs_whole_weights_is_refused(
    strategies: list[Any], settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "world", lambda: 2)
    with pytest.raises(InputError, match=message) as caught:
        tiny_fit(None, strategies, shard="always", **settings)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(("gigabytes", "wanted"), [(1e-3, False), (1e-4, True)])
def test_by_itself_only_where_it_would_not_fit_one_gpu(gigabytes: float, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    run: Any = tiny_fit(None, steps=1).run
    monkeypatch.setattr(run, "say", said.append)
    monkeypatch.setattr(run, "device", SimpleNamespace(type="cuda"))
    monkeypatch.setattr(shard, "memory", lambda device: gigabytes * 1e9)
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "any_rank", lambda flag: flag)
    stack: Any = SimpleNamespace(unshardable=[], learning=lambda run: set(run.params))
    assert shard.wanted(replace(TRAINING, shard="auto"), run, stack) == wanted
    assert [line.endswith("2 processes share them out") for line in said] == [True] * wanted
    assert not shard.wanted(replace(TRAINING, shard="never"), run, stack)


def test_what_stands_in_the_way_is_told_where_it_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    run: Any = SimpleNamespace(say=said.append, device=SimpleNamespace(type="cuda"), params={}, model=torch.nn.Linear(1000, 1000))
    monkeypatch.setattr(shard, "memory", lambda device: 1e5)
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "any_rank", lambda flag: flag)
    stack: Any = SimpleNamespace(unshardable=["sam"], learning=lambda run: set())
    assert not shard.wanted(replace(TRAINING, shard="auto"), run, stack)
    assert "cannot be shared out: 'sam' needs whole weights" in said[0]
