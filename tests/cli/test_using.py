"""Commands around a model: init, predict, eval."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import tunesmith as package
from cli.conftest import Command
from tunesmith import tuned
from tunesmith.recipes.recipe import read_recipe

TEXTS = ["a good film", "a bad film and a long one", "poor"]


def read_from(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put ``content`` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


def test_init(tunesmith: Command, here: Path) -> None:
    done = tunesmith("init", "--data", "reviews.csv", "--out", "new.yaml", "--model", "org/name")
    assert done.code == 0
    assert done.out.endswith("Next: tunesmith check new.yaml, then tunesmith train new.yaml\n")
    recipe = read_recipe(here / "new.yaml")
    assert (recipe.model, recipe.data.columns) == ("org/name", {"text": "review", "label": "stars"})


def test_init_in_another_folder_names_the_data_from_there(tunesmith: Command, here: Path, model: Path) -> None:
    (here / "recipes").mkdir()
    done = tunesmith("init", "--data", "reviews.csv", "--out", "recipes/new.yaml", "--model", str(model), "--json")
    assert done.json["recipe"] == "recipes/new.yaml"
    assert "train: ../reviews.csv" in done.json["text"]
    assert tunesmith("train", "recipes/new.yaml", "training.epochs=1", "baselines=false").code == 0


def test_predict_a_file(tunesmith: Command, here: Path, done: Path) -> None:
    predicted = tunesmith("predict", "done", "reviews.csv")
    assert (predicted.code, predicted.err) == (0, "")
    lines = [json.loads(line) for line in predicted.out.splitlines()]
    assert lines == package.load(done).predict("reviews.csv")
    assert len(lines) == 60
    assert tunesmith("predict", "last", "reviews.csv", "--json").json == lines
    written = tunesmith("predict", str(done), "reviews.csv", "--out", "out.jsonl")
    assert (written.out, written.err) == ("", "60 predictions in out.jsonl\n")
    assert (here / "out.jsonl").read_text() == predicted.out
    as_json = tunesmith("predict", "done", "reviews.csv", "--out", "more.jsonl", "--json")
    assert as_json.json == {"predictions": 60, "file": "more.jsonl"}


def test_predict_a_file_whose_truth_the_model_does_not_know(tunesmith: Command, here: Path, done: Path) -> None:
    (here / "others.csv").write_text("review,stars\na good film,superb\na bad film,\n", encoding="utf-8")
    predicted = tunesmith("predict", "done", "others.csv")
    assert (predicted.code, len(predicted.out.splitlines())) == (0, 2)
    assert predicted.err == "column 'stars' is not read: it holds what the model does not know, and predictions need no truth\n"
    assert "'superb' is not a label" in tunesmith("eval", "done", "--data", "others.csv").err


def test_predict_texts(tunesmith: Command, done: Path) -> None:
    options = [word for text in TEXTS for word in ("--text", text)]
    shown = tunesmith("predict", "done", *options)
    assert shown.code == 0
    assert [line.split(maxsplit=2)[2] for line in shown.out.splitlines()] == TEXTS
    predictions = package.load("done").predict(TEXTS)
    assert tunesmith("predict", "done", *options, "--json").json == predictions
    assert [line.split()[0] for line in shown.out.splitlines()] == [prediction["label"] for prediction in predictions]


@pytest.mark.parametrize("chunk", [2, 1000])
def test_predict_standard_input(chunk: int, tunesmith: Command, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "CHUNK", chunk)
    read_from(monkeypatch, "﻿a good film\r\na bad film and a long one\npoor".encode())
    predicted = tunesmith("predict", "done", "-")
    assert [json.loads(line) for line in predicted.out.splitlines()] == package.load("done").predict(TEXTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a good film\n\nbad\n", "-:2: the line is empty."), (b"good\nf\xfcr\n", "-:2 2: byte 0xfc is not UTF-8.")],
)
def test_bad_standard_input(content: bytes, said: str, tunesmith: Command, here: Path, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_from(monkeypatch, content)
    refused = tunesmith("predict", "done", "-", "--out", "out.jsonl")
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert said in refused.err
    assert not list(here.glob("*out.jsonl*"))


def test_a_full_disk_leaves_no_half_of_a_file(tunesmith: Command, here: Path, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    refused = tunesmith("predict", "done", "reviews.csv", "--out", "out.jsonl")
    assert (refused.code, refused.err) == (3, "No space left on device. Free some space.\n")
    assert not list(here.glob("*out.jsonl*"))


def test_eval(tunesmith: Command, done: Path) -> None:
    shown = tunesmith("eval", "done", "--data", "reviews.csv")
    assert shown.code == 0
    assert shown.out.startswith("accuracy")
    scores = package.load("done").evaluate("reviews.csv")
    as_json = tunesmith("eval", "done", "--data", "reviews.csv", "--json").json
    train = json.loads((done / "data.json").read_text(encoding="utf-8"))["rows"]["train"]
    rows = len(Path("reviews.csv").read_text(encoding="utf-8").splitlines()) - 1
    about = {"model": "done", "data": "reviews.csv", "rows": rows, "trained_on": as_json["trained_on"], "primary": "accuracy"}
    assert as_json == {**about, "scores": scores}
    assert train <= as_json["trained_on"] < rows, "texts that are there twice count twice"
    assert f"THE MODEL WAS TRAINED ON {as_json['trained_on']} OF THESE {rows} ROWS" in shown.err
    Path("new.csv").write_text("review,stars\nnobody has seen this,good\n", encoding="utf-8")
    assert "TRAINED ON" not in tunesmith("eval", "done", "--data", "new.csv").err


def test_a_model_folder(tunesmith: Command, done: Path) -> None:
    by_run = tunesmith("eval", "done", "--data", "reviews.csv", "--json").json["scores"]
    (done.parent / "elsewhere").mkdir()
    folder = done.rename(done.parent / "elsewhere" / "done") / "model"
    judged = tunesmith("eval", str(folder), "--data", "reviews.csv", "--json").json
    assert judged["trained_on"] is None, "a model that has left its run does not know"
    scores = judged["scores"]
    assert scores["confusion"] == by_run["confusion"]
    assert scores["log_loss"] == pytest.approx(by_run["log_loss"], abs=0.01)  # the recipe was for float32, the folder is for any format
    assert tunesmith("predict", str(folder), "--text", "a good film").out.split()[0] in ("good", "bad")
