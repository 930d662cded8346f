"""A folder with a tiny model, a file of reviews and a recipe, and the command line to try on them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tiny
from tunesmith.cli.app import run

RECIPE = """\
model: {folder}/bert
task: {{text_classification: {{max_length: 32}}}}
data:
  train: reviews.csv
  columns: {{text: review, label: stars}}
strategies:
  - freeze: {{layers: 1}}
  - layer_rates: {{decay: 0.9}}
training: {{epochs: 2, batch_size: 8, learning_rate: 1e-2, precision: float32}}
"""
TONES = {"good": ("good", "great", "fine", "wonderful"), "bad": ("bad", "poor", "dull", "sad")}


class Done(NamedTuple):
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Command = Callable[..., Done]


def reviews(number: int) -> list[dict[str, str]]:
    """Rows of a text and its label; each text has a word that tells the label, and a number that makes it different from all others."""
    chosen = random.Random(0)
    labels = [chosen.choice(sorted(TONES)) for _ in range(number)]
    return [{"review": f"a {chosen.choice(TONES[label])} film {i % 6} , and long {i}", "stars": label} for i, label in enumerate(labels)]


def write_reviews(path: Path, number: int) -> None:
    lines = [f'"{row["review"]}",{row["stars"]}\n' for row in reviews(number)]
    path.write_text("review,stars\n" + "".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BERT without a head."""
    return tiny.folder(tmp_path_factory.mktemp("models"))


@pytest.fixture
def here(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: ``reviews.csv`` with 60 rows, and ``recipe.yaml``."""
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "reviews.csv", 60)
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=model.parent), encoding="utf-8")
    return tmp_path


@pytest.fixture
def tunesmith(here: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Carry out a command line in the working folder."""

    def command(*arguments: str) -> Done:
        capfd.readouterr()
        code = run(list(arguments))
        return Done(code, *capfd.readouterr())

    return command


@pytest.fixture(scope="session")
def made(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the finished run ``done``; tests copy it."""
    folder = tmp_path_factory.mktemp("made")
    write_reviews(folder / "reviews.csv", 60)
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=model.parent), encoding="utf-8")
    assert run(["train", str(folder / "recipe.yaml"), "--run", "done", "--runs", str(folder / "runs")]) == 0
    return folder


@pytest.fixture
def done(made: Path, here: Path) -> Path:
    """The finished run ``done`` in the working folder."""
    return Path(shutil.copytree(made / "runs" / "done", here / "runs" / "done"))
