"""``threshold: auto`` from the recipe to what is loaded: chosen on validation rows, saved, told, and set aside by a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tiny
import tunesmith
from runs import TRAINING, rows
from tunesmith.auditing import by_group
from tunesmith.report.table import plain
from tunesmith.run import Report

DATA = {
    part: [{"text": row["text"], "label": [row["label"], *(["new"] if place % 3 == 0 else [])]} for place, row in enumerate(chosen)]
    for part, chosen in {"train": rows(48)[:24], "validation": rows(48)[24:36], "test": rows(48)[36:]}.items()
}


def trained(folder: Path, name: str, **keys: Any) -> Report:
    recipe: dict[str, Any] = {"model": str(tiny.folder(folder)), "task": "text_classification", "baselines": False, "data": DATA}
    return tunesmith.train({**recipe, "training": TRAINING | {"epochs": 1}, **keys}, run=name, runs=folder / "runs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("thresholds")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return trained(folder, "auto", baselines=True)


def test_what_is_shipped_decides_by_what_did_best_on_the_validation_rows(folder: Path, report: Report) -> None:
    found = report.scores["thresholds"]
    assert found.keys() == {"chosen_by", "base", "tuned", "majority", "tfidf", "linear_probe"}
    assert found["chosen_by"] == 12
    tuned = tunesmith.load(report.folder)
    assert tuned.task.settings()["threshold"] == found["tuned"] != 0.5
    on_validation = tuned.evaluate(DATA["validation"])
    assert on_validation["f1_micro"] == pytest.approx(on_validation["best_f1_micro"])
    assert tuned.evaluate(DATA["test"])["f1_micro"] == pytest.approx(report.scores["tuned"]["f1_micro"])
    exported = tunesmith.load(tunesmith.export(report.folder, folder / "out").folder)
    assert exported.task.settings()["threshold"] == found["tuned"]
    events = [json.loads(line) for line in (report.folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    judged = [event["scores"] for event in events if event["event"] == "evaluation"]
    assert all(scores["f1_micro"] == pytest.approx(scores["best_f1_micro"]) for scores in judged)


def test_groups_are_audited_by_the_threshold_of_each_model(folder: Path) -> None:
    many = {**DATA, "test": DATA["test"] * 6}  # groups of less are not compared
    grouped = {part: [{**row, "group": str(place % 2)} for place, row in enumerate(chosen)] for part, chosen in many.items()}
    report = trained(folder, "grouped", data={**grouped, "columns": {"group": "group"}})
    assert report.scores["thresholds"]["base"] != report.scores["thresholds"]["tuned"]
    tuned = tunesmith.load(report.folder)
    found = by_group(report.folder, "", tuned, tuned.examples(grouped["test"], truth=True))
    assert found["groups"]["base"]["by_group"] == report.scores["groups"]["base"]["by_group"]
    assert found["groups"]["tuned"]["by_group"] == report.scores["groups"]["tuned"]["by_group"]


def test_it_is_told(report: Report) -> None:
    told = f"A label is given from a probability of {report.scores['thresholds']['tuned']:.3g}, by the base model from "
    assert told in plain(report.scores)
    for file in ("README.md", "report.html"):
        assert told in (report.folder / file).read_text(encoding="utf-8")


def test_test_rows_choose_nothing(folder: Path, report: Report) -> None:
    other = trained(folder, "other", data=DATA | {"test": [{**row, "label": ["new"]} for row in DATA["test"]]})
    assert other.scores["thresholds"]["tuned"] == report.scores["thresholds"]["tuned"]


def test_without_validation_rows_it_is_the_middle_and_a_number_stays(folder: Path) -> None:
    alone = trained(folder, "alone", data={"train": DATA["train"], "validation": None, "test": DATA["test"]})
    assert alone.scores["thresholds"] == {"chosen_by": 0, "base": 0.5, "tuned": 0.5}
    assert "A label is given from a probability of 0.5: there are no validation rows by which to choose." in plain(alone.scores)
    fixed = trained(folder, "fixed", task={"text_classification": {"threshold": 0.3}})
    assert "thresholds" not in fixed.scores
    assert tunesmith.load(fixed.folder).task.settings()["threshold"] == 0.3


@pytest.mark.parametrize("how", ["average", "soup"])
def test_members_of_an_ensemble_meet_halfway(folder: Path, how: str) -> None:
    made = trained(folder, how, ensemble={"seeds": 2, "how": how})
    own = [tunesmith.load(made.folder / f"seed-{seed}").task.settings()["threshold"] for seed in (0, 1)]
    assert own[0] != own[1]
    together = tunesmith.load(made.folder)
    assert together.task.settings()["threshold"] == pytest.approx(sum(own) / 2)
    assert together.evaluate(DATA["test"])["f1_micro"] == pytest.approx(made.scores["tuned"]["f1_micro"])


def test_stages_that_are_routed_keep_their_own(folder: Path) -> None:
    labels = {"text_classification": {"kind": "multi", "labels": ["bad", "good", "new"]}}
    stages = [{"name": name, "data": DATA | {"train": DATA["train"][place:]}} for name, place in (("one", 0), ("two", 8))]
    made = trained(folder, "routed", task=labels, sequence=stages, routing={"prototypes": 1}, data=None)
    tuned = tunesmith.load(made.folder)
    own = [stage.task.settings()["threshold"] for stage in tuned.stages.values()]  # type: ignore[attr-defined]
    assert own == [tunesmith.load(made.folder / f"{n}-{name}").task.settings()["threshold"] for n, name in ((1, "one"), (2, "two"))]
    assert 0.5 not in own


def test_each_of_several_tasks_has_its_own(folder: Path) -> None:
    single = {"train": rows(24), "validation": rows(40)[24:32], "test": rows(40)[32:]}
    tasks = {"tags": {"task": "text_classification", "data": DATA}, "mood": {"task": "text_classification", "data": single}}
    made = trained(folder, "tasks", tasks=tasks, task=None, data=None)
    found = made.scores["tasks"]["tags"]["thresholds"]["tuned"]
    assert tunesmith.load(made.folder, task="tags").task.settings()["threshold"] == found
    assert f"tags: A label is given from a probability of {found:.3g}" in plain(made.scores)
    assert "thresholds" not in made.scores["tasks"]["mood"]
