"""Searches over recipes of stages, of a sequence and of several tasks: what a trial is worth, what is trained once, and a kill."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

import tunesmith
from runs import Train, rows
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.report import folder as folders
from tunesmith.run import Report
from tunesmith.studies.cutting import RULES

RATE = {"epochs": 1, "batch_size": 8, "precision": "float32"}
TWO = [{"name": "easy", "data": {"train": rows(24)}}, {"name": "hard", "data": {"train": rows(40)}, "training": {"epochs": 2}}]
OTHER = [{"text": f"it was {row['text']}", "label": row["label"]} for row in rows(24)]
TAGGED = [{"text": f"the man in paris was good {number}", "tags": "O O O B-PLACE O O O"} for number in range(12)]
LATE = {"space": {"stages.1.training.learning_rate": [1e-6, 1e-2]}, "sampler": "grid"}


@dataclass
class Stopping(Observer):
    """Counts what is trained, and presses Ctrl-C at a step of one of these."""

    begun: int = 0
    ends: int = 0

    def begin(self, run: Run) -> None:
        self.begun += 1

    def step(self, run: Run, record: Record) -> str | None:
        if self.begun == self.ends and record.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return None


def trials(report: Report) -> list[dict[str, Any]]:
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in report.scores["search"]["trials"]]


def test_stages_are_judged_by_the_last_and_what_trials_have_in_common_is_trained_once(train: Train) -> None:
    counted = Stopping()
    report = train("staged", stages=TWO, training=RATE, data={"validation": "20%", "test": "30%"}, search=LATE, watch=[counted])
    assert counted.begun == 3 + 1, "one first stage, a second one of each trial, and that of the best again from its end"
    found = report.scores["search"]
    best, places = found["best"], sorted(report.folder.glob("trial-*"))
    assert [len(trial["curve"]) for trial in found["trials"]] == [2, 2]
    assert [place.name for place in places if (place / "scores.json").exists()] == [f"trial-0{best}"]
    evaluations = [json.loads(line) for line in (places[best - 1] / "2-hard" / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    scored = [event["scores"]["accuracy"] for event in evaluations if event["event"] == "evaluation"]
    assert found["trials"][best - 1]["score"] == max(scored[:2])
    assert not any(report.folder.glob(f"trial-0{3 - best}/*/model"))
    [alone] = [stage["training"] for stage in TWO if stage["name"] == "hard"]
    rate = found["trials"][best - 1]["values"]["stages.1.training.learning_rate"]
    hard = TWO[1] | {"training": alone | {"learning_rate": rate}}
    again = train("alone", stages=[TWO[0], hard], training=RATE, data={"validation": "20%", "test": "30%"})
    for name in ("tuned", "base", "gain"):
        assert report.scores[name] == again.scores[name]
    assert [stage["name"] for stage in report.scores["stages"]] == ["1-easy", "2-hard"]
    assert tunesmith.load(report.folder).predict(["a good film"]) == tunesmith.load(again.folder).predict(["a good film"])
    assert "by that of the last stage" in (report.folder / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"this is a part of a run.*tunesmith\.resume.*/staged'"):
        tunesmith.resume(places[2 - best] / "2-hard")


def test_a_search_over_stages_that_was_stopped_goes_on_to_the_same_trials(train: Train, tmp_path: Path) -> None:
    stages = []
    for part in TWO:
        file = tmp_path / f"{part['name']}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in part["data"]["train"]), encoding="utf-8")  # type: ignore[index]
        stages.append(part | {"data": {"train": str(file)}})
    space = {"training.learning_rate": [1e-3, 1e-2]}
    keys = {"stages": stages, "training": RATE, "data": {"validation": "20%"}, "search": {"space": space, "sampler": "grid"}}
    through = train("through", **keys)
    with pytest.raises(InterruptedRunError, match=r"trial 2: stage 2-hard: Stopped after step 2.*tunesmith resume .*stopped`"):
        train("stopped", watch=[Stopping(ends=4)], **keys)
    counted = Stopping()
    resumed = tunesmith.resume(tmp_path / "runs" / "stopped", watch=[counted])
    assert counted.begun == 2, "the stage that was stopped, and that of the best again from its end"
    assert trials(resumed) == trials(through)
    weights = [report.folder / "model" / "model.safetensors" for report in (resumed, through)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert folders.whole_of(resumed.folder / "trial-01" / "1-easy") == resumed.folder.resolve()


def test_the_metric_is_that_of_the_last_stage_whose_task_is_its_own(train: Train) -> None:
    own = [TWO[0], TWO[1] | {"task": "text_classification"}]
    report = train("own", stages=own, training=RATE, data={"validation": "20%", "test": "30%"}, search=LATE)
    assert report.scores["search"]["metric"] == "accuracy"


def test_a_sequence_is_judged_by_the_average_of_all_stages_and_cut_short_after_one(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [{"name": "films", "data": {"train": rows(24)}}, {"name": "plays", "data": {"train": OTHER}}]
    search = {"space": {"training.learning_rate": [1e-3, 1e-6]}, "sampler": "grid", "prune": "none"}
    report = train("kept", sequence=parts, training=RATE, data={"validation": "30%"}, search=search)
    found = report.scores["search"]
    best = found["trials"][found["best"] - 1]
    matrix = report.scores["sequence"]["matrix"]  # of the validation rows, as there are no others
    assert best["curve"] == pytest.approx([matrix[0][0], fmean(matrix[1])])
    assert best["score"] == report.scores["sequence"]["average"]
    monkeypatch.setitem(RULES, "median", lambda curve, done, cut: True)
    cut = train("cut", sequence=parts, training=RATE, data={"validation": "30%"}, search=search | {"prune": "median", "startup": 1})
    assert [(trial["state"], len(trial["curve"])) for trial in trials(cut)] == [("done", 2), ("cut short", 1)]
    assert not (cut.folder / "trial-02" / "2-plays").exists()


def test_several_tasks_are_judged_by_their_mean(train: Train) -> None:
    tasks = {
        "topics": {"task": {"text_classification": {"metric": "log_loss"}}, "data": {"train": rows(24)}},
        "tags": {"task": {"token_classification": {"max_length": 16}}, "data": {"train": TAGGED}},
    }
    search = {"space": {"tasks.tags.weight": [0.1, 4], "training.learning_rate": [1e-6, 1e-2]}, "sampler": "grid"}
    report = train("mixed", tasks=tasks, task=None, training=RATE, data={"validation": "30%"}, search=search)
    found = report.scores["search"]
    assert (found["metric"], found["higher_is_better"], len(found["trials"])) == ("mean_of_tasks", True, 4)
    best = max(trial["score"] for trial in found["trials"])
    assert found["trials"][found["best"] - 1]["score"] == best
    assert report.scores["tuned"]["mean_of_tasks"] == pytest.approx(best)  # the validation rows, as there are no others
    assert [place.parent.name for place in report.folder.glob("*/model")] == [f"trial-0{found['best']}"]
    assert tunesmith.load(report.folder, task="topics").predict(["a good film"])
    assert (report.folder / "tasks" / "tags" / "report.html").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"stages": [TWO[0], TWO[1] | {"data": {"train": rows(40), "validation": None}}], "search": LATE}, "there are none of 2-hard"),
        (
            {
                "sequence": [{"name": "films", "data": {"train": rows(24), "validation": None}}, {"data": {"train": OTHER}}],
                "search": {"space": {"training.epochs": [1, 2]}},
            },
            "there are none of 1-films",
        ),
    ],
)
def test_what_no_trial_could_be_judged_by_is_told_at_once(train: Train, tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"a search chooses by the validation rows, and {message}"):
        train("wrong", **keys, data={"validation": "20%"}, training=RATE)
    assert not (tmp_path / "runs" / "wrong").exists()
