"""One recipe with several seeds: runs as they would be alone, on the same rows, which become one; interrupted, and refused."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from runs import TRAINING, Train, rows, same
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.recipes import yaml
from tunesmith.recipes.ensemble import Seeds
from tunesmith.recipes.recipe import recipe_from
from tunesmith.recipes.resolved import resolved, shortened
from tunesmith.run import Report
from tunesmith.studies.ensemble_report import told

KEYS: dict[str, Any] = {
    "strategies": ["clip"],
    "training": TRAINING | {"epochs": 2, "batch_size": 12},
    "data": {"train": rows(40), "validation": "20%", "test": "30%"},
    "seed": 5,
}
VALUES = [{"text": row["text"], "label": place + 0.5} for place, row in enumerate(rows(40))]
TWO = {"ensemble": {"seeds": 2}}


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C in the second run, and counts the runs."""

    begun: int = 0

    def begin(self, run: Run) -> None:
        self.begun += 1

    def step(self, run: Run, record: Record) -> str | None:
        if self.begun == 2 and record.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return None


def test_each_run_is_what_it_is_alone_and_together_they_answer_as_their_mean(train: Train) -> None:
    whole = train("whole", **KEYS | TWO)
    members = [Report(place, json.loads((place / "scores.json").read_text()), whole.facts) for place in sorted(whole.folder.glob("seed-*"))]
    assert [member.folder.name for member in members] == ["seed-5", "seed-6"]
    alone = train("alone", **KEYS | {"seed": 6, "data": KEYS["data"] | {"split_seed": 5}})
    assert same(members[1], alone)
    assert not same(members[0], alone)
    texts = ["a good film", "a dull film"]
    both = [tunesmith.load(member.folder).predict(texts) for member in members]
    expected = [sum(p["probabilities"]["good"] for p in of_text) / 2 for of_text in zip(*both, strict=True)]
    assert [p["probabilities"]["good"] for p in tunesmith.load(whole.folder).predict(texts)] == pytest.approx(expected)
    scores = [member.scores["tuned"]["accuracy"] for member in members]
    spread = whole.scores["ensemble"]["spread"]
    assert spread["mean"] == pytest.approx(sum(scores) / 2)
    assert (spread["lowest"], spread["highest"]) == (min(scores), max(scores))
    assert told(whole.scores).startswith("With 2 seeds accuracy is ")
    assert '<a href="seed-6/report.html">seed-6</a>' in (whole.folder / "report.html").read_text(encoding="utf-8")


def test_an_interrupted_one_goes_on_where_it_stood(train: Train, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(40)), encoding="utf-8")
    keys = KEYS | TWO | {"data": KEYS["data"] | {"train": str(tmp_path / "rows.jsonl")}}
    with pytest.raises(InterruptedRunError, match=r"run seed-6: Stopped after step 2.*tunesmith resume .*cut`"):
        train("cut", watch=[Interruption()], **keys)
    counted = Interruption(begun=2)
    resumed = tunesmith.resume(tmp_path / "runs" / "cut", watch=[counted])
    assert counted.begun == 3, "the first run is not trained again"
    whole = train("whole", **keys)
    assert resumed.scores["tuned"] == whole.scores["tuned"]
    assert resumed.scores["ensemble"] == whole.scores["ensemble"]


def test_each_run_may_have_stages_and_is_what_it_is_alone(train: Train, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(40)), encoding="utf-8")
    stages = [{"name": "first", "training": {"epochs": 1}}, {"name": "last", "strategies": []}]
    keys = KEYS | TWO | {"stages": stages, "data": KEYS["data"] | {"train": str(tmp_path / "rows.jsonl")}}
    keys["training"] = {name: value for name, value in TRAINING.items() if name != "epochs"} | {"batch_size": 12}
    with pytest.raises(InterruptedRunError, match=r"run seed-5: stage 2-last: Stopped after step 2.*tunesmith resume .*cut`"):
        train("cut", watch=[Interruption()], **keys)
    counted = Interruption(begun=2)
    whole = tunesmith.resume(tmp_path / "runs" / "cut", watch=[counted])
    assert counted.begun == 5, "the first stage of the first run is not trained again"
    member = whole.folder / "seed-6"
    alone = train(
        "alone", **{name: of for name, of in keys.items() if name != "ensemble"} | {"seed": 6, "data": keys["data"] | {"split_seed": 5}}
    )
    assert (member / "model/model.safetensors").read_bytes() == (alone.folder / "model/model.safetensors").read_bytes()
    assert list(whole.scores["ensemble"]["weights"]) == ["seed-5", "seed-6"]
    texts = ["a good film"]
    both = [tunesmith.load(whole.folder / name).predict(texts)[0]["probabilities"]["good"] for name in ("seed-5", "seed-6")]
    assert tunesmith.load(whole.folder).predict(texts)[0]["probabilities"]["good"] == pytest.approx(sum(both) / 2)


def test_of_a_sequence_it_tells_what_of_the_measures_is_luck(train: Train) -> None:
    sequence = [{"name": "films", "data": {"train": rows(24)}}, {"name": "plays", "data": {"train": rows(40)}}]
    whole = train("kept", **KEYS | TWO | {"sequence": sequence, "data": {"test": "30%"}})
    found = [json.loads((place / "scores.json").read_text())["sequence"] for place in sorted(whole.folder.glob("seed-*"))]
    own = whole.scores["ensemble"]["sequence"]
    assert own["average"]["mean"] == pytest.approx(sum(measures["average"] for measures in found) / 2)
    assert own["forgetting"]["highest"] == max(measures["forgetting"] for measures in found)
    assert ". Average of the sequence is " in told(whole.scores)


def test_weights_are_mixed_where_asked(train: Train) -> None:
    soup = train("soup", **KEYS | {"ensemble": {"seeds": 2, "how": "soup"}})
    assert (soup.folder / "model" / "model.safetensors").exists()
    assert soup.scores["ensemble"]["weights"] == {"seed-5": 0.5, "seed-6": 0.5}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ensemble": {"how": "weighted"}, "data": {"train": rows(40), "validation": None}}, "weights are fitted to validation rows"),
        (TWO | {"tasks": {"a": {"task": "text_classification"}}, "task": None}, "ensemble is not read: the recipe has tasks"),
        (
            {"ensemble": {"how": "vote"}, "data": {"train": VALUES}},
            "values are not voted on",
        ),
    ],
)
def test_what_cannot_become_one_is_refused_before_training(train: Train, tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train("wrong", **KEYS | keys)
    assert not (tmp_path / "runs" / "wrong").exists()


def test_a_recipe_reads_back() -> None:
    recipe = recipe_from({"model": "m", "task": "text_classification", "data": {"train": "a.csv"}, **TWO})
    for text in (resolved(recipe), shortened(recipe)):
        read = recipe_from(yaml.parse(text, "")[0])
        assert (read.ensemble, read) == (Seeds(2, "average"), recipe)
