"""The commands ensemble and compare."""

from __future__ import annotations

import shutil
from pathlib import Path

from cli.conftest import Command


def test_two_runs_side_by_side_and_as_one(tunesmith: Command, here: Path, done: Path) -> None:
    assert tunesmith("train", "recipe.yaml", "training.learning_rate=1e-4", "training.epochs=1", "--run", "weak").code == 0
    said = tunesmith("compare", "done", "weak")
    assert said.code == 0, said.err
    head, first, second, *rest = said.out.splitlines()
    assert head.split()[:2] == ["run", "accuracy"]
    assert (first.split()[0], second.split()[0]) == ("done", "weak")
    assert "weak over done: accuracy" in "\n".join(rest)
    assert tunesmith("compare", "done", "weak", "--json").json["differences"][0]["run"] == "weak"

    said = tunesmith("ensemble", "done", "weak", "--how", "vote", "--run", "both")
    assert said.code == 0, said.err
    assert said.out.splitlines()[0].split()[:3] == ["member", "accuracy", "weight"]
    assert "of the best member" in said.out
    assert tunesmith("predict", "both", "--text", "a good film , and long 7").code == 0
    assert "accuracy" in tunesmith("eval", "both", "--data", "reviews.csv", "--json").json["scores"]
    assert tunesmith("compare", "done", "both").code == 0
    shutil.rmtree(here / "runs" / "weak")
    gone = tunesmith("predict", "both", "--text", "a good film")
    assert (gone.code, "this member of the ensemble is gone" in gone.err) == (2, True)


def test_what_cannot_be_combined(tunesmith: Command, done: Path) -> None:
    assert tunesmith("ensemble", "done").code == 2
    assert "one run is no ensemble" in tunesmith("ensemble", "done").err
    assert tunesmith("compare").code == 2
