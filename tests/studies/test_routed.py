"""Sequences with a model of its own for each stage: none changes an earlier one, and rows find theirs by the nearest prototype."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tiny
import tunesmith
from runs import Train, rows
from tunesmith.cli.app import run as command
from tunesmith.conversing import converse
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.studies.routed import right, weights
from tunesmith.tuned import Routed

EMBEDDINGS = "base_model.model.bert.embeddings.word_embeddings.weight"
SHORT = {"steps": 1, "batch_size": 4, "precision": "float32"}
LORA = [{"lora": {"rank": 2}}]
PETS = [{"text": f"1 2 {pet} day {3 + i % 3} {i}", "label": ("bad", "good")[pet == "cat"]} for i in range(12) for pet in ("cat", "dog")]
DATA = {"films": {"train": rows(24)}, "pets": {"train": PETS}}
STAGES = [{"name": name, "data": data} for name, data in DATA.items()]


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C in the second stage."""

    begun: int = 0

    def begin(self, run: Run) -> None:
        self.begun += 1

    def step(self, run: Run, record: Record) -> str | None:
        if self.begun == 2 and record.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return None


def adapters(folder: Path) -> list[bytes]:
    return [(folder / "model" / name / "adapter_model.safetensors").read_bytes() for name in DATA]


def test_each_stage_has_a_model_that_no_other_changes(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = train("routed", sequence=STAGES, strategies=LORA, routing={})
    folder, found = report.folder, report.scores["sequence"]
    alone = [train(f"only-{name}", data=data | {"test": "30%"}, strategies=LORA) for name, data in DATA.items()]
    assert adapters(folder) == [(one.folder / "model" / "adapter_model.safetensors").read_bytes() for one in alone]
    counts = [stage["examples"] for stage in report.scores["stages"]]
    assert found["router"] == {"right": 1.0, "sent": [[counts[0], 0], [0, counts[1]]]}
    own = [one.scores["tuned"]["accuracy"] for one in alone]
    assert [found["matrix"][0][0], *found["matrix"][1]] == pytest.approx([own[0], *own])
    assert (found["forgetting"], found["backward_transfer"]) == (0.0, 0.0)
    assert report.scores["base_is"] == alone[1].scores["base_is"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "to pets" in page
    assert "Each stage begins with the base" in page

    texts = [row["text"] for row in rows(4) + PETS[:4]]
    tuned = tunesmith.load(folder)
    answers = tuned.predict(texts)
    assert isinstance(tuned, Routed)
    assert [answer.pop("stage") for answer in answers] == ["films"] * 4 + ["pets"] * 4
    assert answers[:4] == tunesmith.load(folder, task="films").predict(texts[:4])
    assert answers[4:] == tunesmith.load(alone[1].folder).predict(texts[4:])
    assert tuned.evaluate(PETS).keys() == alone[1].scores["tuned"].keys()
    bases = [stage.model.module.get_parameter(EMBEDDINGS).data_ptr() for stage in tuned.stages.values()]  # one in memory
    assert bases == [tuned.model.module.get_parameter(EMBEDDINGS.removeprefix("base_model.model.")).data_ptr()] * 2
    assert command(["predict", str(folder), "--text", texts[5], "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["label"], told["stage"]) == (answers[5]["label"], "pets")
    assert command(["predict", str(folder), "--task", "pet", "--text", texts[5]]) == 2
    assert "Did you mean pets" in capsys.readouterr().err
    with pytest.raises(InputError, match="this run is finished"):
        tunesmith.resume(folder)


def test_an_interrupted_run_goes_on_to_the_same_bits(train: Train, tmp_path: Path) -> None:
    stages = []
    for name, data in DATA.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data["train"]), encoding="utf-8")
        stages.append({"name": name, "data": {"train": str(tmp_path / f"{name}.jsonl")}})
    keys: dict[str, Any] = {"sequence": stages, "strategies": LORA, "routing": {"prototypes": 2}}
    through = train("through", **keys)
    with pytest.raises(InterruptedRunError, match="stage 2-pets: Stopped after step 2"):
        train("stopped", watch=[Interruption()], **keys)
    resumed = tunesmith.resume(tmp_path / "runs" / "stopped")
    assert adapters(resumed.folder) == adapters(through.folder)
    assert resumed.scores["sequence"] == through.scores["sequence"]
    router = [report.folder / "model" / "router.safetensors" for report in (resumed, through)]
    assert router[0].read_bytes() == router[1].read_bytes()


def test_chats_and_tags_are_routed_too(train: Train, tmp_path: Path) -> None:
    model = str(tiny.folder(tmp_path, "llama"))
    chats = [
        {"name": name, "data": {"train": [{"prompt": f"{i} the {name} ?", "completion": f"the {name} was {word}"} for i in range(6)]}}
        for name, word in (("film", "good"), ("cat", "slow"))
    ]
    task = {"chat": {"max_length": 48, "max_new_tokens": 3, "written": 1}}
    report = train("chats", model=model, task=task, sequence=chats, strategies=LORA, routing={}, training=SHORT)
    [answer] = tunesmith.load(report.folder).predict([{"prompt": "3 the cat ?"}])
    assert answer["stage"] == "cat"
    assert "text" in answer
    with pytest.raises(InputError, match=r"the run has several tasks: cat, film\. Name one: --task cat"):
        converse(report.folder)

    words = {"places": ("the man in paris was good", "O O O B-PLACE O O"), "pets": ("1 2 cat day", "O O B-PET O")}
    tags = [
        {"name": name, "data": {"train": [{"text": f"{text} {i}", "tags": f"{tags} O"} for i in range(6)]}}
        for name, (text, tags) in words.items()
    ]
    task = {"token_classification": {"max_length": 16, "labels": ["O", "B-PLACE", "B-PET"]}}
    report = train("tags", task=task, sequence=tags, strategies=[{"adapter": {"size": 4}}], routing={}, training=SHORT)
    assert report.scores["sequence"]["router"]["right"] == 1.0
    assert [answer["stage"] for answer in tunesmith.load(report.folder).predict(["1 2 dog day", "the man was good"])] == ["pets", "places"]


def test_it_is_told_what_a_stage_keeps() -> None:
    parts = [{"learning": 0, "total": 3000}, {"learning": 1000, "total": 1000}]
    assert weights("films", parts) == "router: stage films keeps 1.0 k weights of its own, of 4.0 k"
    assert weights("films", parts[1:]).endswith("of 1.0 k; lora or adapter would keep a small part")


def test_the_router_is_right_where_a_row_goes_to_its_stage() -> None:
    assert right([[3, 1], [2, 4], [5, 5]]) == 0.7  # of the third stage, which is not learned yet, nothing is right or wrong


def test_what_cannot_be_routed_is_refused_before_any_work(train: Train, tmp_path: Path) -> None:
    choices = [{"question": f"{i} is it good ?", "choices": ["yes", "no"], "label": 0} for i in range(8)]
    stages = [{"name": name, "data": {"train": choices}} for name in ("a", "b")]
    with pytest.raises(InputError, match=r"the base has no one vector for a row of this task.*Take routing out"):
        train("choices", task="multiple_choice", sequence=stages, routing={}, strategies=LORA)
    with pytest.raises(InputError, match="past: auto means the earlier stages, and there are none"):
        train("past", sequence=STAGES, routing={}, strategies=[*LORA, "replay"])
    assert not (tmp_path / "runs").exists()
