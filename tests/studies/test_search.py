"""The best of many recipes: trials judged on the validation rows, cut short, failed, interrupted, and the best of them as a run."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from runs import TRAINING, Train, rows
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run

SHORT = TRAINING | {"epochs": 2, "batch_size": 12}
SPACE: dict[str, Any] = {"training.learning_rate": [1e-6, 1e-2], "strategies.freeze.layers": [0, 9]}  # the model has three layers
KEYS: dict[str, Any] = {
    "task": {"text_classification": {"metric": "log_loss"}},
    "strategies": [{"freeze": {"layers": 0}}],
    "training": SHORT,
    "data": {"train": rows(40), "validation": "20%", "test": "30%"},
}


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C in the second trial that trains."""

    begun: int = 0

    def begin(self, run: Run) -> None:
        self.begun += 1

    def step(self, run: Run, record: Record) -> str | None:
        if self.begun == 2 and record.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return None


@dataclass
class Lines(Observer):
    """What the user is told."""

    def __post_init__(self) -> None:
        self._said: list[str] = []

    def say(self, message: str) -> None:
        self._said.append(message)


def timeless(folder: Path) -> list[dict[str, Any]]:
    """The trials without their times."""
    trials = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("trial-*/trial.json"))]
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in trials]


def test_the_best_trial_becomes_the_run(train: Train) -> None:
    lines = Lines()
    report = train("grid", **KEYS, search={"space": SPACE, "sampler": "grid"}, watch=[lines])
    found = report.scores["search"]
    trials = found["trials"]
    assert [trial["state"] for trial in trials] == ["done", "failed", "done", "failed"]
    assert "9" in trials[1]["reason"]  # a layer that is not there
    done = {trial["number"]: trial["score"] for trial in trials if trial["state"] == "done"}
    best = min(done, key=lambda number: done[number])
    assert found["best"] == best
    assert all(trial["score"] == min(trial["curve"]) for trial in trials if trial["state"] == "done")
    rate = trials[best - 1]["values"]["training.learning_rate"]
    judged = [place.name for place in report.folder.iterdir() if (place / "scores.json").exists()]
    assert judged == [f"trial-0{best}"]  # the test rows were looked at once
    kept = [place.parent.name for place in report.folder.glob("trial-*/checkpoints")]
    assert kept == [f"trial-0{best}"]
    assert tunesmith.read_recipe(report.folder / "recipe.resolved.yaml", ["data.train=x.csv"]).training.learning_rate == rate
    assert "search:" in (report.folder / "recipe.yaml").read_text(encoding="utf-8")
    again = train("alone", **KEYS | {"training": SHORT | {"learning_rate": rate}})
    assert {name: report.scores[name] for name in ("tuned", "base", "gain")} == {
        name: again.scores[name] for name in ("tuned", "base", "gain")
    }
    assert tunesmith.load(report.folder).predict(["a good film"]) == tunesmith.load(again.folder).predict(["a good film"])
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert "Trials without a score" in page
    assert f'<a href="trial-0{best}/report.html">{best}</a>' in page
    assert "trial 1 of 20: learning_rate 1e-06, layers 0" in lines._said
    assert any(line.startswith("trial 2: failed: ") for line in lines._said)
    assert "the search ends after 4 trials: all values were tried" in lines._said
    with pytest.raises(InputError, match="this run is finished"):
        tunesmith.resume(report.folder)
    with pytest.raises(InputError, match="this is a part of a run"):
        tunesmith.resume(report.folder / "trial-02")


def test_a_search_that_was_stopped_goes_on_to_the_same_trials(train: Train, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(40)), encoding="utf-8")
    space = {"training.learning_rate": {"low": 1e-4, "high": 1e-1, "scale": "log"}, "training.warmup": ["0%", "50%"]}
    search = {"space": space, "trials": 3, "startup": 2}
    keys = KEYS | {"data": {"train": str(tmp_path / "rows.jsonl"), "validation": "20%", "test": "30%"}, "search": search}
    through = train("through", **keys)
    with pytest.raises(InterruptedRunError, match=r"trial 2: Stopped after step 2.*tunesmith resume .*stopped`"):
        train("stopped", watch=[Interruption()], **keys)
    stopped = tmp_path / "runs" / "stopped"
    assert [trial["state"] for trial in timeless(stopped)] == ["done", "begun"]
    resumed = tunesmith.resume(stopped)
    assert timeless(stopped) == timeless(through.folder)
    assert len({str(trial["values"]) for trial in timeless(stopped)}) == 3
    assert resumed.scores["search"]["importance"] == through.scores["search"]["importance"]
    assert resumed.scores["tuned"] == through.scores["tuned"]
    weights = [report.folder / "model" / "model.safetensors" for report in (resumed, through)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_hopeless_trial_is_cut_short(train: Train) -> None:
    search = {"space": {"training.learning_rate": [1e-6, 0.3]}, "sampler": "grid", "startup": 1}
    report = train("cut", **KEYS | {"training": SHORT | {"epochs": 3}}, search=search)
    first, second = report.scores["search"]["trials"]
    assert first["state"] == "done"
    assert (second["state"], second["score"], len(second["curve"])) == ("cut short", None, 1)
    assert second["reason"] == "cut short after evaluation 1, by the rule of median"


def test_time_and_what_every_trial_would_lack(train: Train, tmp_path: Path) -> None:
    lines = Lines()
    search = {"space": {"training.learning_rate": [1e-2, 1e-3]}, "time": "0.001s"}
    report = train("time", **KEYS, search=search, watch=[lines])
    assert len(report.scores["search"]["trials"]) == 1
    assert "the search ends after 1 trials: 0.001s are over" in lines._said
    with pytest.raises(InputError, match="a search chooses by the validation rows, and there are none"):
        train("none", **KEYS | {"data": {"train": rows(40), "validation": None, "test": "30%"}}, search=search)
    layers = {"space": {"strategies.freeze.layers": [8, 9]}}
    with pytest.raises(InputError, match=r"no trial reached its end.*\n.*trial 1 \(layers [89]\) failed: "):
        train("all", **KEYS, search=layers)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["time"]


def test_trials_of_one_epoch_share_what_frozen_layers_give(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    keys = {**KEYS, "strategies": [{"freeze": {"layers": 1}}], "training": {**KEYS["training"], "epochs": 1}}
    report = train("rates", **keys, search={"space": {"training.learning_rate": [1e-3, 1e-4]}, "sampler": "grid"})
    assert all("trunk: always" in file.read_text(encoding="utf-8") for file in report.folder.glob("trial-*/recipe.yaml"))
    assert len(list((tmp_path / "cache" / "trunk").glob("*.bin"))) == 1
