"""What a run was, as the report is told: nothing made up, nothing left out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import tiny
import tunesmith
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.evidence import command, dataset_names
from tunesmith.recipes.recipe import recipe_from
from tunesmith.report.facts import Facts

LABELS: dict[str, list[Any]] = {"single": ["good", "bad"], "multi": ["a", "a|b", "c|b"], "regression": ["0.5", "2", "3.5"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.folder(tmp_path_factory.mktemp("models")))


@dataclass
class Nothing(Strategy):
    """A strategy of the user's own."""

    def begin(self, run: Run) -> None:
        run.say("nothing begins")


def trained(model: str, folder: Path, kind: str = "single", **keys: Any) -> tuple[Facts, Path]:
    """The facts of a tiny run on a csv file, and its folder."""
    labels = LABELS[kind]
    texts = [" ".join(tiny.WORDS[(7 * i + step) % 60] for step in range(2 + i % 9)) for i in range(30)]
    file = folder / "rows.csv"
    file.write_text("text,label\n" + "".join(f'"{text}","{labels[i % len(labels)]}"\n' for i, text in enumerate(texts)), encoding="utf-8")
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, "log_every": 1}
    given = {"model": model, "task": "text_classification", "data": {"train": str(file), "test": "20%"}, "training": training}
    report = tunesmith.train({**given, **keys}, run="a run", runs=folder / "runs")
    return report.facts, report.folder


def test_the_report_is_told_everything(model: str, tmp_path: Path) -> None:
    facts, folder = trained(model, tmp_path, strategies=["ema", "early_stop", Nothing()])
    assert (facts.name, facts.task) == ("a run", "text_classification")
    assert facts.auto == "AutoModelForSequenceClassification"
    assert not facts.adapter
    assert facts.rows == {"train": 21, "validation": 3, "test": 6, "skipped": 0}
    assert len(facts.lengths) == 21
    assert (facts.max_length, facts.truncated) == (256, 0)
    assert [strategy["name"] for strategy in facts.strategies] == ["ema", f"{__name__}:Nothing", "early_stop"]
    assert facts.strategies[0]["settings"] == {"decay": 0.999, "warmup": True}
    assert facts.strategies[0]["summary"].startswith("Keeps an exponential moving average")
    assert facts.strategies[1]["summary"] == "A strategy of the user's own."
    assert {event["event"] for event in facts.events} == {"say", "step", "evaluation", "end"}
    assert any(note.startswith("task: one of 2 labels") for note in facts.notes)
    assert facts.seconds is not None
    assert facts.seconds > 0
    assert facts.peak_memory is not None
    assert 50e6 < facts.peak_memory < 1e12
    assert facts.environment["python"]
    assert facts.command == ""
    assert (folder / "report.html").stat().st_size > 10_000


def test_what_learned_is_told_from_the_bottom_up(model: str, tmp_path: Path) -> None:
    facts, _ = trained(model, tmp_path, strategies=[{"freeze": {"layers": 1}}, {"layer_rates": {"decay": 0.5}}])
    assert [part["part"] for part in facts.parameters] == ["embeddings", "layer 1", "layer 2", "layer 3", "head"]
    assert [bool(part["learning"]) for part in facts.parameters] == [False, False, True, True, True]
    assert [part["rate"] for part in facts.parameters] == [None, None, 0.25, 0.5, 1.0]
    total = sum(part["total"] for part in facts.parameters)
    assert total == sum(weight.numel() for weight in tiny.bert().parameters())


def test_what_learned_for_a_while_counts(model: str, tmp_path: Path) -> None:
    facts, _ = trained(model, tmp_path, strategies=[{"unfreeze": {"every": "2st"}}])
    assert [bool(part["learning"]) for part in facts.parameters] == [False, False, True, True, True]


def test_an_adapter_is_told(model: str, tmp_path: Path) -> None:
    facts, folder = trained(model, tmp_path, strategies=[{"lora": {"rank": 2}}])
    assert facts.adapter
    assert "PeftModel" in (folder / "README.md").read_text(encoding="utf-8")
    assert all(0 < part["learning"] < part["total"] for part in facts.parameters[1:4])


def test_texts_that_were_cut_are_told_with_the_true_limit(model: str, tmp_path: Path) -> None:
    facts, folder = trained(model, tmp_path, task={"text_classification": {"max_length": 8}})
    assert facts.max_length == max(facts.lengths) == 8
    assert facts.truncated > 0
    assert "Long rows are cut, by task.max_length 8" in (folder / "README.md").read_text(encoding="utf-8")


PAGES = {
    "single": (["Class by class", "Confusion matrix", "Does it know when it is right?"], []),
    "multi": (["Class by class", "Worst errors"], ["Confusion matrix", "Does it know when it is right?"]),
    "regression": (["Worst errors"], ["Class by class", "Confusion matrix", "Does it know when it is right?"]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_page_shows_what_there_is(kind: str, model: str, tmp_path: Path) -> None:
    facts, folder = trained(model, tmp_path, kind)
    page = (folder / "report.html").read_text(encoding="utf-8")
    shown, missing = PAGES[kind]
    assert all(f">{title}<" in page for title in shown)
    assert not any(f">{title}<" in page for title in missing)
    assert facts.errors
    assert all(error.keys() >= {"text", "predicted", "truth"} and "correct" not in error for error in facts.errors)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert facts.scores["primary"].partition("_")[0] in card.lower()


def test_a_run_is_repeated_by_its_command(model: str, tmp_path: Path) -> None:
    facts, folder = trained(model, tmp_path)
    verb = shlex.split(facts.command)
    assert verb == ["tunesmith", "train", str(folder / "recipe.yaml"), "--run", "a run-again"]
    again = tunesmith.train(verb[2], run=verb[4], runs=tmp_path / "runs")
    assert (again.folder / "model/model.safetensors").read_bytes() == (folder / "model/model.safetensors").read_bytes()


def test_what_no_file_holds_cannot_be_repeated_by_a_command() -> None:
    given = {"model": "m", "task": "text_classification", "data": {"train": "rows.csv"}}
    assert command(recipe_from(given), Path("runs/a"))
    assert command(recipe_from({**given, "data": {"train": [{"text": "a", "label": "b"}]}}), Path("runs/a")) == ""
    assert command(recipe_from({**given, "strategies": [Nothing()]}), Path("runs/a")) == ""


@pytest.mark.parametrize(
    ("train", "names"),
    [
        ("there/rows.csv", ["rows.csv"]),
        ("data/rows", ["rows"]),
        ("sample:sentiment", ["sentiment"]),
        (["sample:sentiment/train", "sample:sentiment/test", "sample:topics"], ["sentiment", "topics"]),
        ("imdb/plain", ["imdb/plain"]),
        ("org/name:config/train", ["org/name"]),
        (["a.csv", "b.csv"], ["a.csv", "b.csv"]),
        ([{"text": "a", "label": "b"}], []),
        ({"text": ["a"], "label": ["b"]}, []),
    ],
)
def test_data_sets_are_named(train: Any, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "data/rows").mkdir(parents=True)
    recipe = recipe_from({"model": "m", "task": "text_classification", "data": {"train": "rows.csv"}}, base_folder=tmp_path)
    assert dataset_names(replace(recipe, data=replace(recipe.data, train=train))) == names
