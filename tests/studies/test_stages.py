"""Runs of several stages: each begins where the last ended, the whole is a run like any, and a kill costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import tunesmith
from runs import Train, rows
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.studies.stages import prepare

TWO = [{"name": "easy", "data": {"train": rows(24)}}, {"name": "hard", "data": {"train": rows(40)}, "training": {"steps": 3}}]


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C at a step of the second stage."""

    at: int = 2
    begun: int = 0

    def begin(self, run: Run) -> None:
        self.begun += 1

    def step(self, run: Run, record: Record) -> str | None:
        if self.begun == 2 and record.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return None


def comparable(folder: Path) -> dict[str, Any]:
    """The digests of the weights and the scores without times."""
    found: dict[str, Any] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("model.safetensors")
    }
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    scores["stages"] = [{key: value for key, value in stage.items() if key != "seconds"} for stage in scores["stages"]]
    return found | {"scores": {name: value for name, value in scores.items() if name not in ("seconds", "tokens_per_second")}}


def test_each_stage_begins_where_the_last_ended(train: Train) -> None:
    report = train("two", stages=TWO)
    places = [report.folder / "1-easy", report.folder / "2-hard"]
    first, second = (tunesmith.read_recipe(place / "recipe.yaml") for place in places)
    assert second.model == str(places[0].resolve())
    assert second.training.steps == 3
    assert first.training.steps is None
    begun = load_file(places[1] / "checkpoints" / "step-00000003" / "model.safetensors")
    assert begun  # it trained
    assert (report.folder / "model/model.safetensors").read_bytes() == (places[1] / "model/model.safetensors").read_bytes()


def test_the_whole_is_a_run_like_any(train: Train) -> None:
    report = train("two", stages=TWO)
    assert [stage["name"] for stage in report.scores["stages"]] == ["1-easy", "2-hard"]
    assert report.scores == json.loads((report.folder / "scores.json").read_text(encoding="utf-8"))
    assert len(tunesmith.load(report.folder).predict(["a good film"])) == 1
    page = (report.folder / "report.html").read_text(encoding="utf-8")
    assert "Stages" in page
    assert "2-hard" in page
    assert (report.folder / "README.md").read_text(encoding="utf-8").count("stages:") == 1
    again = tunesmith.read_recipe(report.folder / "recipe.resolved.yaml", ["stages.0.data.train=x.csv", "stages.1.data.train=y.csv"])
    assert again.stages[1].task.labels == ["bad", "good"]
    with pytest.raises(InputError, match=r"this run is finished"):
        tunesmith.resume(report.folder)


def test_an_interrupted_run_goes_on_to_the_same_bits(train: Train, tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path, count in zip(paths, (24, 40), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(count)), encoding="utf-8")
    stages = [{"data": {"train": str(path), "test": "30%"}, "strategies": ["ema"]} for path in paths]
    through = train("through", stages=stages, data=None)
    with pytest.raises(
        InterruptedRunError, match=r"stage 2-text_classification: Stopped after step 2.*tunesmith resume .*stopped`"
    ) as caught:
        train("stopped", stages=stages, data=None, watch=[Interruption()])
    assert caught.value.exit_code == 130
    folder = tmp_path / "runs" / "stopped"
    first = (folder / "1-text_classification" / "scores.json").stat().st_mtime_ns
    with pytest.raises(InputError, match=r"this is a part of a run.*tunesmith resume .*stopped`"):
        tunesmith.resume(folder / "2-text_classification")
    tunesmith.resume(folder)
    assert (folder / "1-text_classification" / "scores.json").stat().st_mtime_ns == first
    assert comparable(folder) == comparable(through.folder)


@pytest.mark.parametrize("dies", ["tunesmith.studies.stages.write", "tunesmith.run.prove", "tunesmith.studies.stages.linked"])
def test_a_death_while_it_is_judged_or_written_costs_no_training(train: Train, monkeypatch: pytest.MonkeyPatch, dies: str) -> None:
    def death(*given: Any) -> None:
        raise MemoryError

    through = train("through", stages=TWO)
    with monkeypatch.context() as patched:
        patched.setattr(dies, death)
        with pytest.raises(MemoryError):
            train("dead", stages=TWO)
    recipe = tunesmith.read_recipe(through.folder / "recipe.yaml")
    for stage, given in zip(recipe.stages, TWO, strict=True):
        stage.data.train = given["data"]["train"]  # type: ignore[index]
    resumed = tunesmith.resume(through.folder.parent / "dead", recipe=recipe)
    assert comparable(resumed.folder) == comparable(through.folder)


def test_what_is_wrong_in_any_stage_is_told_before_the_first_begins(train: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        train("wrong", stages=[{"data": {"train": "gone.csv"}}, {"data": {"train": "lost.csv"}}], data=None)
    assert [problem.message[:7] for problem in caught.value.problems] == ["stage 1", "stage 2"]
    assert not (tmp_path / "runs").exists()


STAGES = """\
model: {model}
stages:
  - task: text_classification
    data: {{train: labelled.csv}}
    strategies: [{{self_training: {{unlabelled: gone.txt}}}}]
  - task: {task}
    data: {{train: texts.txt}}
"""


def refused(folder: Path, model: str, task: str) -> list[str]:
    """What is wrong with a recipe of two stages."""
    labelled = ["text,label", *(f"{row['text']},{row['label']}" for row in rows(24))]
    (folder / "labelled.csv").write_text("\n".join(labelled), encoding="utf-8")
    (folder / "texts.txt").write_text("\n".join(row["text"] for row in rows(24)), encoding="utf-8")
    (folder / "r.yaml").write_text(STAGES.format(model=model, task=task), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        prepare(tunesmith.read_recipe(folder / "r.yaml"))
    return [str(problem).replace(f"{folder.resolve()}/", "") for problem in caught.value.problems]


def test_files_of_strategies_and_the_model_are_looked_at_in_all_stages(model: str, tmp_path: Path) -> None:
    gone = "r.yaml:5 35: stage 1-text_classification: self_training.unlabelled: gone.txt: there is no such file"
    file, unfit = refused(tmp_path, model, "causal_language_modelling")
    assert file.startswith(gone)
    assert unfit.startswith("r.yaml:6 5: stage 2-causal_language_modelling: task: bert models read texts and do not write any")
    needy = "masked_language_modelling\n    strategies: [dataset_map]"
    assert refused(tmp_path, model, needy)[1].startswith(
        "r.yaml:7 18: stage 2-masked_language_modelling: dataset_map: 'dataset_map' needs logits of whole rows, which task 'masked_lang"
    )
    (file,) = refused(tmp_path, model, "masked_language_modelling")
    assert file.startswith(gone)
    file, *absent = refused(tmp_path, "../m/gone", "masked_language_modelling")
    assert file.startswith(gone)
    assert all(line.startswith("r.yaml:1 1: stage ") and "model: There is no folder" in line for line in absent)


def test_an_adapter_is_merged_before_the_next_stage(train: Train) -> None:
    report = train("adapters", data={"train": rows(24), "test": "30%"}, strategies=[{"lora": {"rank": 2}}], stages=[{}, {}])
    assert (report.folder / "1-text_classification/merged/model.safetensors").exists()
    assert report.facts.adapter
    assert len(tunesmith.load(report.folder).predict(["a good film"])) == 1
