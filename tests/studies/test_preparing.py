"""What several tasks are trained with: tasks that learn from the passes of another, what is refused of them, and what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tiny
import tunesmith
from runs import TRAINING, Interruption, rows, timeless
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.engine.events import read_events
from tunesmith.recipes.recipe import recipe_from
from tunesmith.studies.preparing import prepare

ROWS = rows(24)
FILMS = [{"text": row["text"], "label": "new" if row["label"] == "bad" else "old"} for row in ROWS[:15]]
TASKS: dict[str, Any] = {
    "topics": {"task": {"text_classification": {"max_length": 16}}, "data": {"train": ROWS, "test": rows(8)}},
    "words": {
        "task": {"masked_language_modelling": {"max_length": 16}},
        "data": {"train": [{"text": row["text"]} for row in ROWS], "test": [{"text": row["text"]} for row in rows(8)]},
        "same_pass_as": "topics",
    },
    "films": {
        "task": {"text_classification": {"max_length": 16}},
        "data": {"train": [*FILMS, {"text": "another film", "label": "old"}], "test": FILMS},
        "same_pass_as": "topics",
        "weight": 0.5,
    },
}
KEYS: dict[str, Any] = {
    "baselines": False,
    "data": {"validation": None},
    "training": TRAINING | {"save_every": "2st", "ship": "last"},
}


def test_tasks_that_share_passes_are_judged_each_and_resume_to_the_same_bits(model: str, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.jsonl" for name in TASKS}
    tasks = {}
    for name, told in TASKS.items():
        files[name].write_text("".join(json.dumps(row) + "\n" for row in told["data"]["train"]), encoding="utf-8")
        test = tmp_path / f"{name}-test.jsonl"
        test.write_text("".join(json.dumps(row) + "\n" for row in told["data"]["test"]), encoding="utf-8")
        tasks[name] = told | {"data": {"train": str(files[name]), "test": str(test)}}
    keys = KEYS | {"model": model, "tasks": tasks, "strategies": ["r_drop"]}
    with pytest.raises(InputError, match="'r_drop' needs logits"):
        tunesmith.train(keys, run="refused", runs=tmp_path)
    keys["strategies"] = [{"ema": {"decay": 0.5}}, "fgm", {"layer_rates": {"decay": 0.9}}]
    through = tunesmith.train(keys, run="through", runs=tmp_path)
    with pytest.raises(InterruptedRunError):
        tunesmith.train(keys, run="stopped", runs=tmp_path, watch=[Interruption()])
    resumed = tunesmith.resume(tmp_path / "stopped")
    assert list(resumed.scores["tasks"]) == list(TASKS)
    for name in TASKS:
        weights = [report.folder / "model" / name / "model.safetensors" for report in (resumed, through)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
    own = [timeless([e for e in read_events(r.folder / "events.jsonl") if e["event"] == "step"]) for r in (resumed, through)]
    assert own[0] == own[1]
    assert all({"topics", "words"} <= event["parts"].keys() for event in own[0])
    assert any("films" in event["parts"] for event in own[0])


def test_a_lone_task_with_guests_learns_all_of_them(model: str, tmp_path: Path) -> None:
    words = {name: TASKS[name] for name in ("topics", "films")}
    report = tunesmith.train(KEYS | {"model": model, "tasks": words, "training": {**TRAINING, "epochs": 14, "ship": "last"}}, runs=tmp_path)
    for name in words:
        scores = report.scores["tasks"][name]
        assert scores["tuned"]["accuracy"] > max(0.8, scores["base"]["accuracy"])


def test_what_is_shared_is_told(model: str) -> None:
    made = prepare(recipe_from(KEYS | {"model": model, "tasks": TASKS}), print)
    assert (list(made.task.members), list(made.task.members["topics"].guests)) == (["topics"], ["words", "films"])
    assert made.shared == {"words": 24, "films": 15}
    assert len(made.train) == 24
    notes = made.notes()
    assert "words: 24 of its 24 items have the tokens of one of topics, and are learned in the same passes" in notes
    assert any(note.startswith("films: 15 of its 16 items") and note.endswith("the 1 other is NOT learned from") for note in notes)
    assert any(note.startswith("mixing by size: rows of topics ") for note in notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"words": {"data": {"train": [{"text": "quite another text"}]}}},
            r"tasks\.words shares no pass.*same texts and the same max_length",
        ),
        (
            {"topics": {"same_pass_as": "words"}, "words": {"same_pass_as": None}, "films": {"same_pass_as": "words"}},
            r"tasks\.topics cannot share passes with words, whose model has no pooler.*words with same_pass_as: topics",
        ),
    ],
)
def test_what_cannot_share_passes_is_refused_before_training(model: str, changes: dict[str, Any], message: str) -> None:
    tasks = {name: told | changes.get(name, {}) for name, told in TASKS.items()}
    with pytest.raises(InputError, match=message):
        prepare(recipe_from(KEYS | {"model": model, "tasks": tasks}), print)


def test_a_decoder_shares_passes_too(tmp_path: Path) -> None:
    folder = str(tiny.folder(tmp_path, "gpt2"))
    report = tunesmith.train(KEYS | {"model": folder, "tasks": {name: TASKS[name] for name in ("topics", "films")}}, runs=tmp_path)
    assert report.scores["tasks"].keys() == {"topics", "films"}


def test_it_can_be_looked_at_before(model: str) -> None:
    recipe = recipe_from(KEYS | {"model": model, "tasks": TASKS, "training": {**TRAINING, "batch_size": 2}})
    [checked] = tunesmith.check(recipe, print).values()  # some of the items are trained on for a moment
    assert checked.rows == 24
    assert any("are learned in the same passes" in note for note in checked.notes)
    [explained] = tunesmith.explain(recipe, print).values()
    assert explained.seams["feed"] == ["MixedRows"]


def test_tasks_that_write_other_answers_to_the_same_texts_cannot_share_passes(tmp_path: Path) -> None:
    task = {"sequence_to_sequence": {"max_source_length": 16, "max_target_length": 8}}
    rows_of = {
        name: [{"source": row["text"], "target": row[key]} for row in ROWS] for name, key in (("labels", "label"), ("copies", "text"))
    }
    tasks: dict[str, Any] = {name: {"task": task, "data": {"train": own}} for name, own in rows_of.items()}
    tasks["copies"]["same_pass_as"] = "labels"
    with pytest.raises(InputError, match=r"tasks\.copies cannot share passes with labels: they differ in .*which the model reads"):
        prepare(recipe_from(KEYS | {"model": str(tiny.folder(tmp_path, "t5")), "tasks": tasks}), print)
