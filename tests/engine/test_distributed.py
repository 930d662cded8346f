"""Two processes give the optimisation of one, and resume exactly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

HERE = Path(__file__).parent


def launch(ranks: int, folder: Path, strategies: str = "", steps: int = 6) -> dict[str, Tensor]:
    """The weights after training in ``ranks`` processes."""
    folder.mkdir(exist_ok=True)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--master-port", "0", "--standalone"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    command = [*launcher, str(HERE / "ranks.py"), str(folder), strategies, str(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / f"weights-{steps}.safetensors")


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("strategies", ["", "sam,clip,r_drop", "reptile:step", "maml:group"])
def test_two_ranks_give_the_weights_of_one_process(strategies: str, tmp_path: Path) -> None:
    # Dropout is on: micro-batches draw the same numbers wherever they are computed.
    assert distance(launch(1, tmp_path / "one", strategies), launch(2, tmp_path / "two", strategies)) < 1e-5


def test_two_ranks_resume_to_the_last_bit(tmp_path: Path) -> None:
    through = launch(2, tmp_path / "through")
    at = "checkpoints/step-00000004"
    shutil.copytree(tmp_path / "through" / at, tmp_path / "resumed" / at)
    assert distance(launch(2, tmp_path / "resumed"), through) == 0.0
