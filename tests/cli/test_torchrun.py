"""Two processes as one: the first speaks, and the weights are those of one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from cli.conftest import Command, Done

SAME = (
    "training.micro_batch=4",
    "baselines=false",
)  # dropout differs by micro-batch, whose default size depends on the number of processes


def two_processes(*arguments: str) -> Done:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tunesmith", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_two_processes(tunesmith: Command, here: Path) -> None:
    two = two_processes("train", "recipe.yaml", "name=two", "--json", *SAME)
    assert two.code == 0, two.err
    assert json.loads(two.out)["run"] == "runs/two"
    assert two.err.count("all steps done") == 1
    assert tunesmith("train", "recipe.yaml", "name=one", *SAME).code == 0
    one, both = (load_file(here / "runs" / name / "model" / "model.safetensors") for name in ("one", "two"))
    assert max(abs(one[name] - both[name]).max() for name in one) < 1e-5

    again = two_processes("train", "recipe.yaml", "name=two")
    assert again.code == 1  # torchrun's own
    assert again.err.count("the run 'two' exists") == 1
    assert "Traceback" not in again.err.partition("torch/distributed/elastic")[0]


def test_other_processes_are_silent(tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert tunesmith("check", "recipe.yaml") == Done(0, "", "")
    assert tunesmith("check", "no.yaml") == Done(2, "", "")
    assert tunesmith("check", "recipe.yaml", "data.train=no/such", "--json")[:2] == (3, "")
