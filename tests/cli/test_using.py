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
from tunesmith.cli import using
from tunesmith.recipes.recipe import read_recipe

TEXTS = ["a good film", "a bad film and a long one", "poor"]


def read_from(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put ``content`` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


def test_init(tunesmith: Command, here: Path) -> None:
    done = tunesmith("init", "reviews.csv", "--out", "new.yaml", "--model", "org/name")
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


def test_empty_lines_of_a_text_file_are_counted(tunesmith: Command, here: Path, done: Path) -> None:
    (here / "texts.txt").write_text("a good film\n\n \na bad film\n", encoding="utf-8")
    predicted = tunesmith("predict", "done", "texts.txt")
    assert (len(predicted.out.splitlines()), predicted.err) == (2, "2 empty lines passed over, the first is line 2\n")


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
    [
        (b"good\nf\xfcr\n", "-:2 2: byte 0xfc is not UTF-8."),
        (b'{"review": "good"}\ngood\n', "-:2: this is no JSON object, and the first line is one."),
        (b'\n{"review": "good"}\n\n{"review": ""}\n', "-:4 review: the cell is empty."),
        (b'{"other": "good"}\n', "-: there is no column 'review'."),
    ],
)
def test_bad_standard_input(content: bytes, said: str, tunesmith: Command, here: Path, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_from(monkeypatch, content)
    refused = tunesmith("predict", "done", "-", "--out", "out.jsonl")
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert said in refused.err
    assert not list(here.glob("*out.jsonl*"))


def test_empty_lines_are_passed_over_and_counted(tunesmith: Command, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_from(monkeypatch, b"a good film\n\npoor\n \n")
    predicted = tunesmith("predict", "done", "-")
    assert [json.loads(line) for line in predicted.out.splitlines()] == package.load("done").predict(["a good film", "poor"])
    assert predicted.err == "2 empty lines passed over, the first is line 2\n"


def test_lines_may_be_rows(tunesmith: Command, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": number, "review": text} for number, text in enumerate(TEXTS)]
    read_from(monkeypatch, "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    assert [json.loads(line) for line in tunesmith("predict", "done", "-").out.splitlines()] == package.load("done").predict(rows)


def test_a_text_is_never_the_name_of_a_file(tunesmith: Command, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(tunesmith("predict", "done", "--text", "reviews.csv", "--json").json) == 1
    read_from(monkeypatch, b"reviews.csv\n")
    assert len(tunesmith("predict", "done", "-").out.splitlines()) == 1
    assert "--text:2 text: the cell is empty." in tunesmith("predict", "done", "--text", "good", "--text", "").err


def test_answers_as_people_read_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    vector = [number / 8 for number in range(8)]
    assert [using._written(answer) for answer in (0.51234, ["a", "b"], [], "yes")] == ["0.5123", "a, b", "none", "yes"]
    assert using._written(vector).endswith(", 0.75, 0.875")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert using._written(vector) == "0, 0.125, 0.25, 0.375, 0.5, 0.625, ... (8 numbers)"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    using._show([("yes", "51.2%"), ("no", "")], ["one", "two"])
    using._show([("yes,\nit is", "51.2%")], ["one"])
    assert capsys.readouterr().out == "yes  51.2%  one\nno          two\none\n  yes,\n  it is\n  51.2%\n"


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


def test_eval_on_several_files_and_on_the_rows_of_the_run(tunesmith: Command, done: Path) -> None:
    Path("new.csv").write_text("review,stars\nnobody has seen this,good\n", encoding="utf-8")
    both = tunesmith("eval", "done", "--data", "reviews.csv", "--data", "new.csv")
    assert both.out.splitlines()[0].split() == ["reviews.csv", "new.csv"]
    assert both.out.splitlines()[1].startswith("accuracy")
    assert both.err.startswith("reviews.csv: THE MODEL WAS TRAINED ON")
    documents = tunesmith("eval", "done", "--data", "reviews.csv", "--data", "new.csv", "--json").json
    assert [document["rows"] for document in documents] == [len(Path("reviews.csv").read_text(encoding="utf-8").splitlines()) - 1, 1]
    own = tunesmith("eval", "done", "--json").json
    kept = json.loads((done / "scores.json").read_text(encoding="utf-8"))
    assert [document["data"] for document in own] == [kept["split"]]
    assert own[0]["scores"]["accuracy"] == kept["tuned"]["accuracy"]
    assert "Name some: --data FILE" in tunesmith("eval", str(done / "model")).err
