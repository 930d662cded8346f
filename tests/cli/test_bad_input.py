"""Whatever a user gets wrong: one line for each problem, exit code 2 or 3, no traceback, nothing overwritten and nothing left behind."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from cli.conftest import Command, reviews

Change = Callable[[Path], object]

LONG = 10_000_000


def data(name: str, content: str | bytes) -> Change:
    """The training file is ``name``, with this content."""

    def change(here: Path) -> None:
        (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        recipe = here / "recipe.yaml"
        recipe.write_text(recipe.read_text().replace("reviews.csv", name))

    return change


def recipe(old: str, new: str) -> Change:
    """The recipe with one text in the place of another."""

    def change(here: Path) -> None:
        text = (here / "recipe.yaml").read_text()
        assert old in text
        (here / "recipe.yaml").write_text(text.replace(old, new))

    return change


def model(*files: str) -> Change:
    """The model is a folder with a configuration and these files."""

    def change(here: Path) -> None:
        (here / "model").mkdir()
        (here / "model" / "config.json").write_text('{"model_type": "bert"}')
        for file in files:
            (here / "model" / file).write_bytes(b"x")
        lines = (here / "recipe.yaml").read_text().splitlines()
        (here / "recipe.yaml").write_text("\n".join(["model: model", *lines[1:]]))

    return change


def nothing(here: Path) -> None:
    """The folder as it is."""


# what the user changed, what the line on standard error says, and the exit code
TRAINING: dict[str, tuple[Change, str, int]] = {
    "no recipe": (lambda here: (here / "recipe.yaml").unlink(), "recipe.yaml: ", 2),
    "recipe is a folder": (lambda here: ((here / "recipe.yaml").unlink(), (here / "recipe.yaml").mkdir()), "recipe.yaml: ", 2),
    "recipe is no YAML": (recipe("{layers: 1}", "{layers: 1"), "This is not YAML", 2),
    "recipe is no UTF-8": (lambda here: (here / "recipe.yaml").write_bytes(b"model: \xff"), "recipe.yaml", 2),
    "no data file": (lambda here: (here / "reviews.csv").unlink(), "reviews.csv: there is no such file.", 2),
    "near data file": (recipe("train: reviews.csv", "train: review.csv"), "Did you mean 'reviews.csv'?", 2),
    "no such column": (recipe("text: review,", "text: reviw,"), "there is no column 'reviw'. Did you mean 'review'?", 2),
    "unknown key": (recipe("training:", "seeed: 1\ntraining:"), "recipe.yaml:9 1: There is no setting 'seeed'", 2),
    "unknown setting": (recipe("epochs", "epoch"), "Did you mean epochs?", 2),
    "unknown strategy": (recipe("- freeze", "- freez"), "Did you mean freeze", 2),
    "no model": (recipe("/bert\n", "/bart\n"), "bart", 2),
    "model without weights": (model(), "model: The folder holds no weights", 2),
    "weights are a pickle": (model("pytorch_model.bin"), "which can run code when it is read. Convert it: python -c", 2),
    "empty file": (data("empty.csv", ""), "empty.csv: the file is empty.", 2),
    "header alone": (data("head.csv", "review,stars\n"), "head.csv: the file has no rows.", 2),
    "no UTF-8": (data("latin.csv", "review,stars\ngrün,good\n".encode("latin-1")), "latin.csv:2 3: byte 0xfc is not UTF-8.", 2),
    "a huge line": (data("huge.csv", f"review,stars\n{'a ' * (LONG // 2)},good\n"), "huge.csv:2: the line is longer than", 2),
    "a huge object": (data("huge.jsonl", f'{{"review": "{"a" * LONG}", "stars": "good"}}\n'), "huge.jsonl:1: the line is longer than", 2),
    "unknown format": (data("reviews.xml", "<a/>"), "the format '.xml' is not known", 2),
    "hub data": (recipe("train: reviews.csv", "train: someone/reviews"), "'someone/reviews' is no file here", 3),
    "hub model": (lambda here: recipe((here / "recipe.yaml").read_text().partition("\n")[0], "model: org/name")(here), "org/name", 3),
}


@pytest.mark.parametrize("case", TRAINING)
@pytest.mark.parametrize("command", ["train", "check"])
def test_training(command: str, case: str, tunesmith: Command, here: Path) -> None:
    change, said, code = TRAINING[case]
    change(here)
    before = tree(here)
    done = tunesmith(command, "recipe.yaml")
    problems = [line for line in done.err.splitlines() if not line.startswith(("columns:", "validation:", "task:", "rows:", "Fetching "))]
    assert (len(problems), done.code, done.out) == (1, code, ""), done.err
    assert said in problems[0]
    assert problems[0].endswith((".", "?"))
    assert tree(here) == before  # the name of the run is free, and nothing else was written

    as_json = tunesmith(command, "recipe.yaml", "--json")
    assert as_json.json["exit_code"] == as_json.code == code
    assert len(as_json.json["problems"]) == 1


def test_half_a_json_line(tunesmith: Command, here: Path) -> None:
    good = "".join(json.dumps(row) + "\n" for row in reviews(20))
    data("half.jsonl", f'{good}{{"review": "bad film", "stars"\n')(here)
    done = tunesmith("train", "recipe.yaml")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "half.jsonl:21" in done.err


def test_bad_rows_are_told_and_not_that_the_others_are_too_few(tunesmith: Command, here: Path) -> None:
    data("half.jsonl", '{"review": "good film", "stars": "good"}\n{"review": "bad film", "stars"\n')(here)
    (line,) = tunesmith("train", "recipe.yaml").err.splitlines()
    assert "half.jsonl:2" in line
    lines = tunesmith("train", "recipe.yaml", "data.on_bad_row=skip").err.splitlines()
    assert "leaves nothing for validation" in lines[-1]


def test_an_unknown_label_in_the_validation_rows(tunesmith: Command, here: Path) -> None:
    (here / "odd.csv").write_text("review,stars\na good film,good\nso so,meh\n")
    done = tunesmith("train", "recipe.yaml", "data.validation=odd.csv")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "odd.csv:3 stars: 'meh'" in done.err


def test_all_bad_rows_are_told_at_once(tunesmith: Command, here: Path) -> None:
    with (here / "reviews.csv").open("a") as file:
        file.write(",good\n" * 30)
    lines = tunesmith("train", "recipe.yaml").err.splitlines()
    assert "reviews.csv:62 review: the cell is empty" in lines[0]
    assert lines[20:] == ["... and 10 more."]


OVERRIDES = {
    "training.epochs": "'training.epochs' is no override",
    "training.epoch=3": "Did you mean epochs?",
    "training.epochs=-3": "training.epochs must be above 0, not -3.",
    "training.epochs=many": "training.epochs",
    "strategies.freez.layers=1": "freez",
    "=3": "is no override",
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_bad_override(override: str, tunesmith: Command, here: Path) -> None:
    done = tunesmith("train", "recipe.yaml", override)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert OVERRIDES[override] in done.err
    assert not (here / "runs").exists()


# arguments, and what the line says; a finished run `done` is there
ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "unknown command": (["trian", "recipe.yaml"], "No such command 'trian'. Did you mean 'train'?"),
    "unknown option": (["train", "recipe.yaml", "--rums", "x"], "'--runs'"),
    "nothing given": (["train"], "Missing argument 'RECIPE'. See `tunesmith train --help`."),
    "no value": (["train", "recipe.yaml", "--run"], "See `tunesmith train --help`."),
    "existing run": (["train", "recipe.yaml", "--run", "done"], "the run 'done' exists, and runs are never overwritten."),
    "run is no name": (["train", "recipe.yaml", "--run", "a/b"], "'a/b' cannot be the name of a run."),
    "runs is a file": (["train", "recipe.yaml", "--runs", "reviews.csv"], "reviews.csv: "),
    "resume an unknown run": (["resume", "dune"], "There is no run 'dune' in runs. Did you mean 'done'?"),
    "resume a finished run": (["resume", "done"], "runs/done: this run is finished."),
    "resume where no runs are": (["resume", "--runs", "nowhere"], "There is no run 'last' in nowhere."),
    "report of an unknown run": (["report", "dune"], "Did you mean 'done'?"),
    "predict with an unknown run": (["predict", "dune", "--text", "x"], "Did you mean 'done'?"),
    "predict with a data file": (["predict", "reviews.csv", "--text", "x"], "There is no run 'reviews.csv'"),
    "predict nothing": (["predict", "done"], "There is nothing to predict."),
    "predict twice": (["predict", "done", "reviews.csv", "--text", "x"], "Both a file and --text are given."),
    "predict no data file": (["predict", "done", "recipe.yaml"], "recipe.yaml: the format '.yaml' is not known."),
    "predict no file": (["predict", "done", "review.csv"], "Did you mean 'reviews.csv'?"),
    "predict an empty text": (["predict", "done", "--text", " "], "empty"),
    "predict into an existing file": (["predict", "done", "reviews.csv", "--out", "recipe.yaml"], "recipe.yaml: this file exists"),
    "predict into no folder": (["predict", "done", "reviews.csv", "--out", "no/x.jsonl"], "no: there is no such folder."),
    "eval on an absent file": (["eval", "done", "--data", "none.csv"], "none.csv: there is no such file"),
    "eval on an unknown sample": (["eval", "done", "--data", "sample:sentimnt"], "Did you mean 'sentiment'?"),
    "init over a file": (["init", "--data", "reviews.csv"], "recipe.yaml: this file exists and is not overwritten."),
    "init of nothing": (["init"], "There are no rows to look at. Name them once: tunesmith init FILE."),
    "init of two": (["init", "reviews.csv", "--data", "reviews.csv"], "The rows are named twice. Name them once"),
    "init without data": (["init", "--data", "review.csv", "--out", "new.yaml"], "Did you mean 'reviews.csv'?"),
    "list what there is not": (["list", "strategy"], "Did you mean strategies?"),
    "an unknown sample": (["samples", "minlm"], "Did you mean 'minilm'?"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(case: str, tunesmith: Command, here: Path, done: Path) -> None:
    arguments, said = ARGUMENTS[case]
    before = tree(here)
    result = tunesmith(*arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1), result.err
    assert said in result.err
    as_json = tunesmith(*arguments, "--json")
    assert as_json.json["exit_code"] == 2
    assert as_json.err == ""
    assert tree(here) == before


def test_a_run_that_is_not_finished(tunesmith: Command, here: Path, done: Path) -> None:
    (done / "scores.json").unlink()
    for arguments in (["predict", "last", "--text", "x"], ["eval", "done", "--data", "reviews.csv"], ["report"]):
        result = tunesmith(*arguments)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert "runs/done: the run is not finished. Go on with `tunesmith resume" in result.err


def test_damaged_scores(tunesmith: Command, done: Path) -> None:
    (done / "scores.json").write_text("{")
    result = tunesmith("report")
    assert (result.code, len(result.err.splitlines())) == (5, 1)


def test_a_fault_of_ours_is_shown_and_owned(tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.checking.check", lambda *_: 1 / 0)
    done = tunesmith("check", "recipe.yaml")
    assert done.code == 1
    assert "ZeroDivisionError" in done.err
    assert "This is a fault of tunesmith." in done.err.splitlines()[-1]
    assert tunesmith("check", "recipe.yaml", "--json").json["exit_code"] == 1


@pytest.mark.parametrize("what", ["tunesmith.run.folders.write_text", "os.fsync"])
def test_a_full_disk(what: str, tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(what, full)
    done = tunesmith("train", "recipe.yaml")
    assert done.code == 3
    assert "No space left on device" in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


@pytest.mark.parametrize("what", ["tunesmith.engine.tree.save_file", "transformers.PreTrainedModel.save_pretrained"])
def test_weights_on_a_full_disk(what: str, tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patched:
        patched.setattr(what, full)
        done = tunesmith("train", "recipe.yaml")
    assert done.code == 3
    assert "No space left on device" in done.err.splitlines()[-1]
    assert "Free some space. Go on with `tunesmith resume runs/recipe`." in done.err.splitlines()[-1]
    assert not list((here / "runs").rglob(".writing-*"))
    assert tunesmith("resume", "recipe").code == 0


def tree(folder: Path) -> dict[str, bytes]:
    """All files and folders with their content."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}
