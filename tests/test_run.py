"""A run from its recipe to its report: every file, to the last bit, resumed, judged, shipped and used again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

import tiny
import tunesmith
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.loss import Loss
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.engine.events import read_events
from tunesmith.run import Report

GOOD = ("a good film", "the best story of all", "wonderful music", "i loved it very well")
BAD = ("a bad film", "the worst plot of all", "dull music", "i hated it very long")
TRAINING = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "precision": "float32", "log_every": 1, "save_every": "2st"}


def rows(count: int = 40) -> list[dict[str, str]]:
    """Sentences that differ, good and bad in turn."""
    words = tiny.WORDS
    return [
        {"text": f"{(BAD, GOOD)[i % 2][i // 2 % 4]} {words[i % 50]} {words[7 * i % 50]}", "label": ("bad", "good")[i % 2]}
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.folder(tmp_path_factory.mktemp("models")))


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A small file of reviews."""
    path = tmp_path / "reviews.csv"
    path.write_text("review,stars\n" + "".join(f'"{row["text"]}",{row["label"]}\n' for row in rows()), encoding="utf-8")
    return str(path)


Train = Callable[..., Report]


@pytest.fixture
def train(tmp_path: Path, model: str, table: str) -> Train:
    """``train(name, ...)``: a small run of some seconds at most; ``data``, ``training`` and further keys change the recipe."""

    def run(name: str, data: Any = None, training: Any = None, watch: Any = (), **keys: Any) -> Report:
        keys = {"model": model, "task": "text_classification", "baselines": False, **keys}
        keys["data"] = {"train": table, "test": "20%", **(data or {})}
        return tunesmith.train(keys | {"training": TRAINING | (training or {})}, run=name, runs=tmp_path / "runs", watch=watch)

    return run


def weights(report: Report) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(report.folder / "model" / "model.safetensors")
    return tensors


def same(one: Report, other: Report) -> bool:
    return (one.folder / "model/model.safetensors").read_bytes() == (other.folder / "model/model.safetensors").read_bytes()


def predictions(report: Report, split: str = "test") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (report.folder / f"predictions/{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def timeless(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if name != "time"} for event in events]


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


def interrupted(train: Train, name: str, **keys: Any) -> Path:
    with pytest.raises(InterruptedRunError, match=f"(?s)after step 5.*tunesmith resume .*{name}") as caught:
        train(name, watch=[Interruption()], **keys)
    assert caught.value.exit_code == 130
    return Path(str(caught.value.problems[0].remedy).rpartition(" ")[2])


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
    with pytest.raises(InputError, match="list in memory"):
        tunesmith.resume(folder)
    assert same(tunesmith.resume(folder, recipe=replace(recipe, data=replace(recipe.data, train=rows()))), through)


def test_a_run_is_never_overwritten(train: Train) -> None:
    report = train("first", training={"epochs": 1})
    with pytest.raises(InputError, match="the run 'first' exists"):
        train("first")
    assert report.folder.exists()


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


@dataclass
class Louder(Strategy):
    """Multiplies the loss: a strategy that a user wrote."""

    factor: float = setting(2.0, "what the loss is multiplied with", above=0)

    def begin(self, run: Run) -> None:
        self.calls = 0

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        self.calls += 1
        loss = inner(batch)
        return replace(loss, sum=loss.sum * self.factor)


def test_a_strategy_of_the_users_own(train: Train) -> None:
    plain = train("plain", training={"optimizer": "sgd", "learning_rate": 0.1})
    louder = train("louder", strategies=[Louder(3.0)], training={"optimizer": "sgd", "learning_rate": 0.1})
    assert not same(plain, louder)
    assert louder.facts.command == ""
    texts = [row["text"] for row in predictions(louder)]
    assert [p["label"] for p in tunesmith.load(louder.folder).predict(texts)] == [row["predicted"] for row in predictions(louder)]


def test_a_loaded_run_predicts_what_was_judged(train: Train) -> None:
    report = train("judged")
    judged = predictions(report)
    again = tunesmith.load(report.folder).predict([row["text"] for row in judged])
    assert [one["label"] for one in again] == [row["predicted"] for row in judged]
    assert [max(one["probabilities"].values()) for one in again] == [row["confidence"] for row in judged]
    assert [row["row"] for row in judged] == list(range(len(judged)))
    assert [row["correct"] for row in judged] == [float(row["predicted"] == row["truth"]) for row in judged]


@dataclass
class Shaken(Strategy):
    """Ruins the weights at the last step, so that the best evaluation lies before it."""

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        inner()
        if run.clock.step == run.clock.total - 1:
            with torch.no_grad():
                for weight in run.model.parameters():
                    weight.mul_(-1)


@pytest.mark.parametrize("strategies", [[], [{"ema": {"decay": 0.5}}]], ids=["plain", "averaged"])
def test_what_is_shipped(train: Train, strategies: list[Any]) -> None:
    changes = {"evaluate_every": "2st"}
    best = train("best", strategies=[Shaken(), *strategies], training=changes)
    last = train("final", strategies=[Shaken(), *strategies], training=changes | {"ship": "last"})
    assert not same(best, last)
    kept = load_file(best.folder / "checkpoints/best/model.safetensors")
    shipped = weights(best)
    assert all(torch.equal(kept[f"/weights/{name}"], tensor) for name, tensor in shipped.items() if f"/weights/{name}" in kept)
    assert any(name.startswith("/weights/") for name in kept)
    trained = load_file(last.folder / "checkpoints/step-00000012/model.safetensors")
    live = all(torch.equal(trained[f"/weights/{name}"], tensor) for name, tensor in weights(last).items() if f"/weights/{name}" in trained)
    assert live is not bool(strategies), "the last weights are shipped; of an average, the average"


def test_without_validation_the_last_step_is_shipped_and_the_report_says_what_was_judged(train: Train) -> None:
    report = train("unjudged", data={"validation": None, "test": None}, training={"epochs": 1})
    assert report.scores["split"] == "train"
    assert not report.facts.events or all(event["event"] != "evaluation" for event in report.facts.events)
    assert not (report.folder / "checkpoints/best").exists()
    trained = load_file(report.folder / "checkpoints/step-00000005/model.safetensors")
    assert all(torch.equal(trained[f"/weights/{name}"], tensor) for name, tensor in weights(report).items())
    assert "the scores say nothing about new data" in (report.folder / "README.md").read_text(encoding="utf-8")
    assert "the scores say nothing about new data" in (report.folder / "report.html").read_text(encoding="utf-8")


def test_only_validation_rows_are_judged_where_there_is_no_test(train: Train) -> None:
    report = train("validated", data={"test": None}, training={"epochs": 1})
    assert report.scores["split"] == "validation"
    assert len(predictions(report, "validation")) == report.scores["examples"] == 4


def test_long_texts_are_cut_and_it_is_said(train: Train) -> None:
    said = Listener()
    report = train("cut", task={"text_classification": {"max_length": 8}}, training={"epochs": 1}, watch=[said])
    cut = [line for line in said.lines if line.startswith("cut: ")]
    assert len(cut) == 1
    assert cut[0].endswith("training rows have more than 8 tokens")
    assert report.facts.truncated == int(cut[0].split()[1])
    assert any(line.startswith("task: one of 2 labels: ") for line in said.lines)


class Listener(Observer):
    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def lines(self) -> list[str]:
        return self._lines

    def memory(self) -> dict[str, Any]:
        return {}

    def say(self, message: str) -> None:
        self._lines.append(message)
