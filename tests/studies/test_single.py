"""Several tasks against each alone: the same rows and settings, the difference with its interval, the time, and a resume."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from runs import TRAINING, rows
from tunesmith.core.errors import InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.recipes.recipe import recipe_from
from tunesmith.studies.single import difference, recipes_of, section, told

SMALL = {name: value for name, value in TRAINING.items() if name != "epochs"} | {"steps": 2}
WORDS = [("the man in paris was good", "O O O B-PLACE O O"), ("a small woman loved the new film", "O B-WHO I-WHO O O B-WHAT I-WHAT")]
TAGGED = [{"text": f"{text} {number}", "tags": f"{tags} O"} for number in range(4) for text, tags in WORDS]


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C while the second task is trained alone."""

    begun: int = 0

    def begin(self, run: Run) -> None:
        self.begun += 1

    def step(self, run: Run, record: Record) -> str | None:
        if self.begun == 3 and record.step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return None


def recipe(model: str, folder: Path) -> dict[str, Any]:
    """Two tasks, whose rows are files so that the run can be resumed."""
    tasks = {}
    for name, kind, own in (("topics", "text_classification", rows(16)), ("tags", {"token_classification": {"max_length": 16}}, TAGGED)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own), encoding="utf-8")
        tasks[name] = {"task": kind, "data": {"train": str(folder / f"{name}.jsonl"), "test": "30%"}}
    return {"model": model, "tasks": tasks, "baselines": False, "training": SMALL, "strategies": ["uncertainty"], "single_task": True}


def test_each_task_is_trained_alone_and_compared_on_the_same_rows(model: str, tmp_path: Path) -> None:
    keys = recipe(model, tmp_path)
    with pytest.raises(InterruptedRunError, match=r"alone, tags: Stopped after step 1.*tunesmith resume .*both`"):
        tunesmith.train(keys, run="both", runs=tmp_path / "runs", watch=[Interruption()])
    report = tunesmith.resume(tmp_path / "runs" / "both")
    scores, found = report.scores, report.scores["single"]
    assert scores == json.loads((report.folder / "scores.json").read_text(encoding="utf-8"))
    assert list(found) == ["topics", "tags"]
    shared = {name: value for name, value in keys.items() if name not in ("tasks", "strategies", "single_task")}
    for name, part in keys["tasks"].items():
        metric, own = found[name]["primary"], json.loads((report.folder / "single" / name / "scores.json").read_text(encoding="utf-8"))
        assert found[name]["single"] == pytest.approx(own["tuned"][metric])
        assert found[name]["joint"] == pytest.approx(scores["tasks"][name]["tuned"][metric])
        assert found[name]["seconds"] == own["seconds"]["train"]
        assert found[name]["gain"][metric]["delta"] == pytest.approx(found[name]["joint"] - found[name]["single"])
        alone = tunesmith.train(shared | part, run=f"alone-{name}", runs=tmp_path / "alone")
        assert alone.scores["tuned"] == own["tuned"]  # with the same settings, interrupted or not
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert "Together or alone" in page
    assert tunesmith.load(report.folder, task="topics").predict(["a good film"])


def test_what_needs_several_tasks_or_is_auxiliary_stays_out(tmp_path: Path) -> None:
    keys = recipe("m", tmp_path)
    keys["tasks"]["words"] = {"task": "masked_language_modelling", "data": {"train": "a.txt"}, "auxiliary": True}
    whole = recipe_from(keys | {"strategies": ["pcgrad", "ema", "uncertainty", "early_stop"]})
    found, gone = recipes_of(whole)
    assert gone == ["pcgrad", "uncertainty"]
    assert list(found) == ["topics", "tags"]
    assert [type(part).__name__ for part in found["tags"].strategies] == ["EMA"]
    assert found["tags"].strategies[0] is not whole.strategies[1]
    assert found["tags"].watch[0] is not whole.watch[0]


MEASURED = {"primary": "accuracy", "single": 0.8, "joint": 0.85, "gain": {"accuracy": {"delta": 0.05, "ci95": [0.01, 0.09]}}}
GAINS = {"f1": {"delta": -0.1, "ci95": None}, "correct": {"delta": 0, "ci95": [-0.2, 0.1]}}


def test_it_is_told_in_the_unit_of_the_metric() -> None:
    assert told(MEASURED) == "accuracy 80.0% alone, 85.0% with the other tasks: +5.0 points, 95% interval +1.0 to +9.0"
    assert difference({"primary": "f1", "gain": GAINS}) == ("−10.0 points", "−0.200 to +0.100 (in correctness)")
    assert difference({"primary": "f1", "gain": {}}) == ("–", "not known")
    table = section({"a": MEASURED | {"examples": 1200, "seconds": 20.0}, "b": MEASURED | {"examples": 9, "seconds": 31.2}}, 41.0)
    assert table["about"].endswith("Training took 41 s together, 51 s one after the other.")
    assert table["data"]["rows"][0] == ["a", "accuracy", "80.0%", "85.0%", "+5.0 points", "+1.0 to +9.0", "1,200", "20 s"]
