"""The command advise: one screen, a recipe that can be read, and nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Command
from tunesmith import advising
from tunesmith.advising import Speed
from tunesmith.recipes.recipe import read_recipe


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(advising, "measured", lambda: Speed(1e11, "bfloat16", 2))


def test_one_screen(tunesmith: Command, here: Path) -> None:
    done = tunesmith("advise", "reviews.csv", "--out", "new.yaml", "--memory", "8GB", "--time", "10min")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("54 rows and 6 to judge by for text_classification, about ")
    assert lines[3].split()[:4] == ["*", "sample:minilm", "22.7", "M"]
    assert any(line.strip().startswith("few rows: few_shot") for line in lines)
    assert any(line.strip().startswith("length: training.epochs 20") for line in lines)
    assert "It keeps within 8.0 GB and 10 min 0 s." in lines
    assert "100 billion operations a second of bfloat16 matrix products" in done.out
    assert len(lines) < 24
    recipe = read_recipe(here / "new.yaml")
    assert (recipe.model, recipe.data.columns) == ("sample:minilm", {"text": "review", "label": "stars"})


def test_limits_that_cannot_be_kept(tunesmith: Command) -> None:
    done = tunesmith("advise", "reviews.csv", "--out", "new.yaml", "--time", "0.001s")
    assert done.code == 0
    assert "It does NOT keep within" in done.out
    assert "Changed for that: what learns: probe until 100%" in done.out
    assert ": allow more time. " in done.out


@pytest.mark.parametrize(
    ("memory", "remedy"), [("200MB", "transformers alone take about 700 MB, so allow more"), ("720MB", "take a smaller model")]
)
def test_memory_that_does_not_suffice(tunesmith: Command, memory: str, remedy: str) -> None:
    done = tunesmith("advise", "reviews.csv", "--out", "new.yaml", "--memory", memory)
    assert remedy in done.out
    assert "max_rows" not in done.out


def test_as_json(tunesmith: Command, here: Path) -> None:
    found = tunesmith("advise", "reviews.csv", "--out", "new.yaml", "--language", "zh", "--json").json
    assert found["file"] == "new.yaml"
    assert found["chosen"]["id"] == "google-bert/bert-base-chinese"
    assert found["recipe"] == (here / "new.yaml").read_text(encoding="utf-8")
    assert {decision["topic"] for decision in found["advice"]["decisions"]} >= {"what learns", "length"}


def test_a_recipe_that_is_there_stays_and_the_advice_is_shown(tunesmith: Command, here: Path) -> None:
    before = (here / "recipe.yaml").read_bytes()
    done = tunesmith("advise", "reviews.csv")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "recipe.yaml exists and is not overwritten: have this recipe written with --out FILE"
    assert (here / "recipe.yaml").read_bytes() == before
    assert tunesmith("advise", "reviews.csv", "--json").json["file"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "recipe.yaml"], "recipe.yaml: this file exists and is not overwritten"),
        (["--out", "new.yaml", "--memory", "much"], "'much' is no amount of memory. Write 8GB or 500MB."),
        (["--out", "new.yaml", "--task", "singing"], "There is no task 'singing'."),
    ],
)
def test_what_is_wrong(tunesmith: Command, here: Path, arguments: list[str], said: str) -> None:
    done = tunesmith("advise", "reviews.csv", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)
    assert not (here / "new.yaml").exists()
