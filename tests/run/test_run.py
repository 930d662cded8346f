"""A run from its recipe to its report: every file, to the last bit, resumed, judged, shipped and used again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tunesmith
from runs import TRAINING, Train, predictions, rows, same, timeless
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.engine.events import read_events


def test_a_run_leaves_every_file(train: Train) -> None:
    report = train("all", baselines=True, training={"epochs": 2})
    left = {path.relative_to(report.folder).as_posix() for path in report.folder.rglob("*") if path.is_file()}
    parts = {f"{part}.{kind}" for part in ("model", "optimizer", "memory", "run") for kind in ("json", "safetensors")}
    checkpoint = {"manifest.json", *parts}
    assert left == {
        *("recipe.yaml", "recipe.resolved.yaml", "environment.json", "data.json", "events.jsonl", "scores.json"),
        *("predictions/test.jsonl", "report.html", "README.md"),
        *(f"model/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")),
        *(f"checkpoints/best/{name}" for name in ("manifest.json", "model.json", "model.safetensors")),
        *(f"checkpoints/step-{step:08d}/{name}" for step in (6, 8) for name in checkpoint),
    }
    assert report.scores == json.loads((report.folder / "scores.json").read_text(encoding="utf-8"))


def test_scores_are_those_of_the_design(train: Train) -> None:
    scores = train("scores", baselines=True).scores
    assert list(scores) == [
        *("task", "split", "examples", "primary", "base", "tuned", "gain", "baselines", "flips"),
        *("base_is", "seconds", "tokens_per_second"),
    ]
    assert (scores["task"], scores["split"], scores["examples"], scores["primary"]) == ("text_classification", "test", 8, "accuracy")
    assert scores["base_is"] == "zero-shot by label names"
    assert scores["baselines"].keys() == {"majority", "tfidf", "linear_probe"}
    assert scores["gain"]["accuracy"]["delta"] == pytest.approx(scores["tuned"]["accuracy"] - scores["base"]["accuracy"])
    assert scores["flips"].keys() == {"fixed", "broken"}
    assert scores["seconds"]["train"] > 0 < scores["tokens_per_second"]


def test_the_model_loads_anywhere_with_nothing_missing(train: Train) -> None:
    report = train("plain")
    auto = transformers.AutoModelForSequenceClassification
    loaded, info = auto.from_pretrained(report.folder / "model", output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.config.id2label == {0: "bad", 1: "good"}
    assert loaded.config.problem_type == "single_label_classification"
    tokenizer = transformers.AutoTokenizer.from_pretrained(report.folder / "model")
    found = predictions(report)
    for row in found:
        with torch.no_grad():
            chances = loaded(**tokenizer(row["text"], return_tensors="pt")).logits.softmax(dim=1)[0]
        assert loaded.config.id2label[int(chances.argmax())] == row["predicted"]
        assert float(chances.max()) == pytest.approx(row["confidence"], abs=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers for a property by its old name
def test_an_adapter_loads_anywhere(train: Train, model: str) -> None:
    from peft import PeftModel

    report = train("adapter", strategies=[{"lora": {"rank": 2}}])
    assert report.facts.adapter
    assert (report.folder / "model/adapter_config.json").exists()
    base = transformers.AutoModelForSequenceClassification.from_pretrained(model)
    adapted = PeftModel.from_pretrained(base, report.folder / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(report.folder / "model")
    for row in predictions(report):
        with torch.no_grad():
            chances = adapted(**tokenizer(row["text"], return_tensors="pt")).logits.softmax(dim=1)[0]
        assert float(chances.max()) == pytest.approx(row["confidence"], abs=1e-5)
    again = tunesmith.load(report.folder).predict([row["text"] for row in predictions(report)])
    assert [one["label"] for one in again] == [row["predicted"] for row in predictions(report)]


def test_two_runs_are_equal_to_the_last_bit(train: Train) -> None:
    one, other = train("one"), train("other")
    assert same(one, other)
    logs = [timeless(read_events(report.folder / "events.jsonl")) for report in (one, other)]
    assert logs[0] == logs[1]
    assert {event["event"] for event in logs[0]} >= {"step", "evaluation", "end"}
    assert predictions(one) == predictions(other)
    assert not same(one, train("seeded", seed=1))


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C at a step."""

    at: int = 5

    def step(self, run: Run, record: Record) -> str | None:
        if record.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return None


@dataclass
class Told(Observer):
    """Keeps the lines for the user."""

    lines: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.lines.append(message)


def interrupted(train: Train, name: str, **keys: Any) -> Path:
    with pytest.raises(InterruptedRunError, match="after step 5") as caught:
        train(name, watch=[Interruption()], **keys)
    assert caught.value.exit_code == 130
    found = re.search(r"tunesmith[ .]resume[ (]'?([^`',]*)", caught.value.problems[0].remedy)
    assert found
    assert Path(found[1]).name == name
    return Path(found[1])


def comparable(folder: Path) -> dict[str, Any]:
    """The digests of every file of a run, without the times and the pages that show them."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("report.html", "README.md"))
    found: dict[str, Any] = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return found | {
        "events.jsonl": timeless(read_events(folder / "events.jsonl")),
        "scores.json": {name: value for name, value in scores.items() if name not in ("seconds", "tokens_per_second")},
    }


@pytest.mark.parametrize("strategies", [[], ["ema", {"unfreeze": {"every": "2st"}}]], ids=["plain", "with memories"])
def test_an_interrupted_run_ends_like_one_that_never_stopped(train: Train, strategies: list[Any]) -> None:
    through = train("through", strategies=strategies)
    folder = interrupted(train, "stopped", strategies=strategies)
    assert not (folder / "scores.json").exists()
    with pytest.raises(InputError, match="not finished"):
        tunesmith.load(folder)
    resumed = tunesmith.resume(folder)
    assert resumed.folder == folder
    assert comparable(folder) == comparable(through.folder)
    with pytest.raises(InputError, match="this run is finished"):
        tunesmith.resume(folder)


def test_a_run_that_dies_while_it_is_judged_is_not_trained_again(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*given: Any) -> None:
        raise MemoryError

    through = train("through")
    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.run.prove", dies)
        with pytest.raises(MemoryError):
            train("dead")
    resumed = tunesmith.resume(through.folder.parent / "dead")
    assert comparable(resumed.folder) == comparable(through.folder)


def test_rows_in_memory_are_given_again_to_resume(train: Train) -> None:
    data = {"train": rows()}
    through = train("through", data=data)
    folder = interrupted(train, "stopped", data=data)
    recipe = tunesmith.read_recipe(folder / "recipe.yaml")
    with pytest.raises(InputError, match=r"rows were in memory.*tunesmith\.resume\('.*stopped', recipe="):
        tunesmith.resume(folder)
    assert same(tunesmith.resume(folder, recipe=replace(recipe, data=replace(recipe.data, train=rows()))), through)


def test_the_keys_of_train_are_the_recipe_of_resume(model: str, tmp_path: Path) -> None:
    keys = {"model": model, "task": "text_classification", "data": {"train": rows()}, "training": TRAINING, "baselines": False}
    with pytest.raises(InterruptedRunError):
        tunesmith.train(**keys, run="stopped", runs=tmp_path, watch=[Interruption()])
    assert tunesmith.resume("stopped", recipe=keys, runs=tmp_path).folder == tmp_path / "stopped"


def test_a_run_is_resumed_by_its_name_whatever_lies_beside_it(train: Train, tmp_path: Path) -> None:
    interrupted(train, "stopped")
    (tmp_path / "runs" / "recipe.yaml").write_text("model: a\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"There is no run 'stoped' in .*Did you mean 'stopped'"):
        tunesmith.resume("stoped", runs=tmp_path / "runs")
    assert tunesmith.resume("stopped", runs=tmp_path / "runs").scores


def test_a_run_without_a_whole_checkpoint_says_that_it_begins_again(train: Train) -> None:
    folder = interrupted(train, "stopped")
    for checkpoint in (folder / "checkpoints").iterdir():
        (checkpoint / "manifest.json").write_text("{", encoding="utf-8")
    told = Told()
    tunesmith.resume(folder, watch=[told])
    assert "no checkpoint is whole: starting from the beginning" in told.lines


def test_a_run_is_never_overwritten(train: Train) -> None:
    report = train("first", training={"epochs": 1})
    with pytest.raises(InputError, match="the run 'first' exists"):
        train("first")
    assert report.folder.exists()


def test_strategies_find_a_run_by_its_name(train: Train) -> None:
    train("first")
    report = train("second", strategies=[{"distil": {"teacher": "first"}}, {"replay": {"past": "first"}}])
    assert (report.folder / "scores.json").exists()


def test_what_is_wrong_is_found_before_any_work_and_leaves_no_run(train: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'confidence' is not a column"):
        train("wrong", data={"columns": {"confidence": "stars"}})
    with pytest.raises(InputError, match=r"There is no setting 'epoch'.*Did you mean"):
        train("wrong", training={"epoch": 3})
    with pytest.raises(InputError, match=r"'goood' is no label\. Did you mean 'good'"):
        train("wrong", task={"text_classification": {"class_weights": {"goood": 2.0}}})
    with pytest.raises(InputError, match="There is no metric 'pearson' where kind is single"):
        train("wrong", task={"text_classification": {"metric": "pearson"}})
    assert not (tmp_path / "runs/wrong").exists()


def test_a_recipe_is_one_thing() -> None:
    for given in ({}, {"recipe": "a.yaml", "model": "b"}):
        with pytest.raises(InputError, match="Give a recipe, or its keys by name"):
            tunesmith.train(**given)
    with pytest.raises(InputError, match="Name the run by run='a4'"):
        tunesmith.train("a.yaml", name="a4")


def test_an_empty_name_is_no_name(train: Train) -> None:
    with pytest.raises(InputError, match="cannot be the name of a run"):
        train("")


def test_weights_can_be_read_by_whoever_can_read_the_run(train: Train) -> None:
    report = train("open", training={"epochs": 1})
    modes = {path.stat().st_mode & 0o777 for path in report.folder.rglob("*") if path.is_file()}
    assert modes == {report.folder.stat().st_mode & 0o666}


def test_a_check_takes_what_train_takes(model: str) -> None:
    said: list[str] = []
    keys = {"model": model, "task": "text_classification", "data": {"train": rows(), "validation": None}, "training": {"steps": 1}}
    (found,) = tunesmith.check(**keys, say=said.append).values()
    assert found.findings[0].kind == "untested"
    assert tunesmith.explain(keys, say=said.append).keys() == {"text_classification"}


@pytest.mark.parametrize("form", ["list", "table", "columns"])
def test_python_gives_the_same_run_as_files(train: Train, table: str, form: str) -> None:
    pandas = pytest.importorskip("pandas")
    given = {
        "list": rows(),
        "table": pandas.DataFrame(rows()),
        "columns": {name: [row[name] for row in rows()] for name in ("text", "label")},
    }
    assert same(train("memory", data={"train": given[form]}, training={"epochs": 1}), train("file", training={"epochs": 1}))


def test_keys_by_name(model: str, tmp_path: Path) -> None:
    report = tunesmith.train(
        model=model, task="text_classification", data={"train": rows()}, training={"steps": 1}, baselines=False, runs=tmp_path
    )
    assert report.folder == tmp_path / "text_classification"
    assert report.facts.command == ""  # nobody could repeat it by a command


def test_a_recipe_object_can_be_trained_again(train: Train, tmp_path: Path) -> None:
    first = train("first", strategies=["ema"], training={"epochs": 1})
    recipe = tunesmith.read_recipe(first.folder / "recipe.yaml")
    before = (repr(recipe), [vars(part).copy() for part in recipe.strategies])
    again = [tunesmith.train(recipe, run=f"again-{number}", runs=tmp_path / "runs") for number in (1, 2)]
    assert same(first, again[0])
    assert same(first, again[1])
    assert (repr(recipe), [vars(part) for part in recipe.strategies]) == before


def test_the_resolved_recipe_gives_the_same_run(train: Train, tmp_path: Path) -> None:
    first = train("first", task={"text_classification": {"class_weights": {"bad": 2.0}}}, training={"epochs": 1})
    again = tunesmith.train(first.folder / "recipe.resolved.yaml", run="again", runs=tmp_path / "runs")
    assert same(first, again)


def test_further_tests_are_in_every_file(train: Train, tmp_path: Path) -> None:
    (tmp_path / "target.csv").write_text("review,stars\na good film,good\na bad film,bad\n", encoding="utf-8")
    report = train("both", data={"tests": {"target": str(tmp_path / "target.csv")}}, training={"epochs": 1})
    assert report.scores["tests"]["target"]["examples"] == 2
    assert "Other test rows" in (report.folder / "report.html").read_text(encoding="utf-8")
    assert "On further test rows" in (report.folder / "README.md").read_text(encoding="utf-8")
    assert (report.folder / "predictions" / "target.jsonl").exists()
    assert json.loads((report.folder / "data.json").read_text(encoding="utf-8"))["rows"]["target"] == 2
