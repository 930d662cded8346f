"""Commands that train: train, resume, quickstart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Command
from tunesmith.cli.training import free_name
from tunesmith.recipes.recipe import read_recipe


def test_train(tunesmith: Command, here: Path) -> None:
    done = tunesmith("train", "recipe.yaml", "training.epochs=1", "--run", "one", "--runs", "all")
    assert done.code == 0
    assert done.out.splitlines()[-2:] == ["The report: all/one/report.html", "The model:  all/one/model"]
    lines = done.err.splitlines()
    assert lines[0] == "columns: text <- review, label <- stars"
    assert any(line.startswith("step 7/7  loss ") for line in lines)
    assert any(line.startswith("step 7 (epoch 1): accuracy ") for line in lines)
    written = {path.name for path in (here / "all" / "one").iterdir()}
    assert {"scores.json", "report.html", "README.md", "model", "events.jsonl", "recipe.yaml", "predictions"} <= written


def test_what_is_odd_in_the_data_is_told_with_the_result(tunesmith: Command, here: Path) -> None:
    done = tunesmith("train", "recipe.yaml", "training.epochs=1", "data.test=reviews.csv", "baselines=false")
    assert done.code == 0
    assert any(line.startswith("WARNING: test: ") and "also in train" in line for line in done.out.splitlines())


def test_train_as_json(tunesmith: Command, here: Path) -> None:
    done = tunesmith("train", "recipe.yaml", "--json")
    assert done.json == {"run": "runs/recipe", "scores": json.loads((here / "runs/recipe/scores.json").read_text())}
    assert "all steps done" in done.err


def test_a_recipe_in_another_folder(tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert tunesmith("train", "../recipe.yaml", "training.epochs=1", "baselines=false").code == 0
    monkeypatch.chdir(here)  # the run knows where its data are, wherever it is resumed
    (here / "elsewhere/runs/recipe/scores.json").unlink()
    resumed = tunesmith("resume", "elsewhere/runs/recipe", "--json")
    assert resumed.code == 0
    assert resumed.json["run"] == "elsewhere/runs/recipe"


def test_a_failed_start_leaves_the_name_free(tunesmith: Command, here: Path) -> None:
    (here / "reviews.csv").rename(here / "moved.csv")
    assert tunesmith("train", "recipe.yaml").code == 2
    (here / "moved.csv").rename(here / "reviews.csv")
    assert tunesmith("train", "recipe.yaml").code == 0


def test_a_failed_resume_keeps_the_run(tunesmith: Command, here: Path, done: Path) -> None:
    (done / "scores.json").unlink()
    (done / "recipe.yaml").write_text((done / "recipe.yaml").read_text().replace("reviews.csv", "moved.csv"))
    before = {path: path.stat().st_size for path in done.rglob("*")}
    assert tunesmith("resume", "done").code == 2
    assert {path: path.stat().st_size for path in done.rglob("*")} == before


def test_a_resume_with_other_data_is_refused(tunesmith: Command, here: Path, done: Path) -> None:
    (done / "scores.json").unlink()
    recipe = (done / "recipe.yaml").read_text()
    (done / "recipe.yaml").write_text(recipe.replace("baselines: true", "").replace("learning_rate: 0.01", "learning_rate: 0.02"))
    refused = tunesmith("resume", "done")
    assert (refused.code, refused.out) == (5, "")
    assert "The recipe changed since this checkpoint" in refused.err.splitlines()[-1]


def test_quickstart(tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(here / "recipe.yaml")
    monkeypatch.setattr("tunesmith.recipes.recipe.read_recipe", lambda path, *_: recipe if "quickstart" in path else read_recipe(path))
    first = tunesmith("quickstart")
    assert first.code == 0
    assert "Three sentences that it has never seen" in first.out
    assert 'tunesmith predict runs/quickstart --text "Not bad at all."' in first.out
    second = tunesmith("quickstart", "--json")
    assert second.json["run"] == "runs/quickstart-2"
    assert len(second.json["predictions"]) == 3


def test_free_name(tmp_path: Path) -> None:
    assert free_name(tmp_path, "a") == "a"
    (tmp_path / "a").mkdir()
    (tmp_path / "a-2").mkdir()
    assert free_name(tmp_path, "a") == "a-3"
