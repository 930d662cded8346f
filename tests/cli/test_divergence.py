"""A rate that is far too high ends the run with its own exit code, a remedy, and what was good before."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Command


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_rate_of_a_thousand_diverges(tunesmith: Command, here: Path, optimizer: str) -> None:
    changes = ["training.learning_rate=1e3", f"training.optimizer={optimizer}", "training.save_every=1st", "training.warmup=0st"]
    done = tunesmith("train", "recipe.yaml", "--run", "far", *changes)
    assert done.code == 4
    again = "`tunesmith train runs/far/recipe.yaml --run far-again training.learning_rate=100`"
    assert "Lower training.learning_rate, to 100 for example" in done.err
    assert f"Train again under another name: {again}." in done.err
    assert "reviews.csv:" in done.err
    assert "Traceback" not in done.err
    assert list((here / "runs" / "far" / "checkpoints").glob("step-*")), "what was good before is kept"
    assert tunesmith("list", "--json").json[-1]["state"] == "failed"
    assert tunesmith("predict", "far", "--text", "a good film").code == 2


STAGES = """\
model: {folder}
task: {{text_classification: {{max_length: 32}}}}
data: {{train: reviews.csv, columns: {{text: review, label: stars}}}}
training: {{steps: 6, batch_size: 8, learning_rate: 1e-2, save_every: 1st, warmup: 0st, precision: float32}}
stages:
  - name: calm
  - {{name: wild, training: {{learning_rate: 1e3}}}}
"""


def test_of_a_stage_that_diverges_the_rate_of_that_stage_is_to_be_changed(tunesmith: Command, here: Path, model: Path) -> None:
    (here / "stages.yaml").write_text(STAGES.format(folder=model), encoding="utf-8")
    done = tunesmith("train", "stages.yaml", "--run", "far")
    assert done.code == 4
    again = ("train", "runs/far/recipe.yaml", "--run", "far-again", "stages.1.training.learning_rate=100")
    assert f"Train again under another name: `tunesmith {' '.join(again)}`." in done.err
    done = tunesmith(*again[:-1], "stages.1.training.learning_rate=0.001")
    assert done.code == 0
