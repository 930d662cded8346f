"""Finished runs side by side: the same rows, paired differences, and the rows on which they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.studies.compare import compare
from tunesmith.tuned import TOLD

RIGHT = {"a": [1, 1, 0, 0, 1, 0], "b": [1, 1, 1, 1, 1, 0], "c": [0, 1, 0, 0, 1, 0]}


def run(runs: Path, name: str, correct: list[int], **changes: Any) -> Path:
    """A finished run as far as comparing looks at it."""
    folder = runs / name
    (folder / "predictions").mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "model" / "model.safetensors").write_bytes(b"x" * 1000)
    (folder / "recipe.yaml").touch()
    scores = {"task": "text_classification", "primary": "accuracy", "split": "test", "seconds": {"train": 12.0}}
    scores |= {"tuned": {"accuracy": sum(correct) / len(correct)}} | changes
    (folder / "scores.json").write_text(json.dumps(scores))
    texts = changes.get("texts") or [f"text {row}" for row in range(len(correct))]
    lines = [
        {"row": row, "text": texts[row], "predicted": ("bad", "good")[right], "truth": "good", "confidence": 0.9, "correct": float(right)}
        for row, right in enumerate(correct)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "predictions" / "test.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_each_is_compared_with_the_first(tmp_path: Path) -> None:
    for name, correct in RIGHT.items():
        run(tmp_path, name, correct)
    found = compare(["a", "b", "c"], tmp_path, most=1)
    assert [(one["name"], one["scores"]["accuracy"], one["seconds"], one["bytes"]) for one in found["runs"]] == [
        ("a", 0.5, 12.0, 1000),
        ("b", 5 / 6, 12.0, 1000),
        ("c", 1 / 3, 12.0, 1000),
    ]
    better, worse = found["differences"]
    assert better["gain"]["accuracy"]["delta"] == pytest.approx(1 / 3)
    low, high = better["gain"]["accuracy"]["ci95"]
    assert 0 <= low < 1 / 3 < high
    assert (better["flips"], worse["flips"]) == ({"fixed": 2, "broken": 0}, {"fixed": 0, "broken": 1})
    assert better["better"] == [
        {
            "row": 2,
            "text": "text 2",
            "truth": "good",
            "answers": {"a": {"predicted": "bad", "confidence": 0.9}, "b": {"predicted": "good", "confidence": 0.9}},
        }
    ]
    assert [row["row"] for row in worse["worse"]] == [0]
    json.dumps(found, allow_nan=False)


def test_of_several_tasks_one_is_compared_also_with_a_run_of_it_alone(tmp_path: Path) -> None:
    for name in "ab":
        for task in ("topics", "tags"):
            inner = run(tmp_path / name / "tasks", task, RIGHT[name])
            (tmp_path / name / "model").mkdir(exist_ok=True)
            (inner / "model").rename(tmp_path / name / "model" / task)
            (tmp_path / name / "model" / task / TOLD).touch()
        (tmp_path / name / "recipe.yaml").touch()
        (tmp_path / name / "scores.json").write_text("{}")
    run(tmp_path, "c", RIGHT["c"])
    found = compare(["a", "b", "c"], tmp_path, task="topics")
    assert [(one["name"], one["scores"]["accuracy"], one["bytes"]) for one in found["runs"]] == [
        ("a", 0.5, 1000),
        ("b", 5 / 6, 1000),
        ("c", 1 / 3, 1000),
    ]
    assert found["differences"][0]["flips"] == {"fixed": 2, "broken": 0}
    with pytest.raises(InputError, match=r"the run has several tasks: tags, topics\. Name one: --task tags"):
        compare(["a", "b"], tmp_path)
    with pytest.raises(InputError, match=r"there is no task 'topic'\. Did you mean topics"):
        compare(["a", "b"], tmp_path, task="topic")
    with pytest.raises(InputError, match="none of the runs has several tasks, and so none called 'topics'"):
        compare(["c", "c"], tmp_path, task="topics")


def test_texts_hold_what_looks_like_the_end_of_a_line(tmp_path: Path) -> None:
    for name in "ab":
        run(tmp_path, name, RIGHT[name], texts=[f"one\u2028two\u2029three\u0085{row}" for row in range(6)])
    assert compare(["a", "b"], tmp_path)["differences"][0]["flips"] == {"fixed": 2, "broken": 0}


def test_other_rows_and_metrics_are_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path, "a", RIGHT["a"])
    run(tmp_path, "fewer", [1, 0], texts=["text 0", "text 9"])
    run(tmp_path, "metric", RIGHT["a"], primary="f1_macro")
    with pytest.raises(InputError) as caught:
        compare(["a", "fewer", "metric"], tmp_path)
    first, second = caught.value.problems
    assert first.file.endswith("fewer")
    assert first.message == "it was judged by other rows: 2 test rows, of which 1 are those of a, which has 6"
    assert second.message == "it was judged otherwise than a: primary is f1_macro, not accuracy"
    with pytest.raises(InputError, match="nothing to compare the run with"):
        compare(["a"], tmp_path)
    (tmp_path / "a" / "predictions" / "test.jsonl").unlink()
    with pytest.raises(InputError, match="the predictions of the run are gone"):
        compare(["a", "a"], tmp_path)
