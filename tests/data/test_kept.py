"""What is encoded once is read the next time, and is the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from tunesmith.data import kept
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.examples import Examples
from tunesmith.data.kept import file_of, files_in, tidy, written
from tunesmith.data.source import read
from tunesmith.samples.fetch import cache
from tunesmith.tasks.image_classification import ImageClassification
from tunesmith.tasks.text_classification import TextClassification

ROWS = [{"text": f"the movie number {number} " + "was fine " * (number % 5), "label": "ab"[number % 2]} for number in range(12)]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Few rows are many here, and the cache is empty."""
    monkeypatch.setattr(kept, "WORTH", 10)
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))


def made(rows: list[dict[str, Any]] = ROWS, **settings: Any) -> tuple[Examples, TextClassification]:
    task = TextClassification(**settings)
    task.learn(rows)
    return Examples(read(rows)[0], task), task


def test_what_was_encoded_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, task = made()
    first = encode(examples, task, tiny.tokenizer(), chunk=5)
    monkeypatch.setattr(TextClassification, "encode", lambda *_: pytest.fail("encoded again"))
    again = encode(*made(), tiny.tokenizer())
    assert list(again) == list(first)
    assert (again.lengths.tolist(), again.rows.tolist(), again.truncated) == (first.lengths.tolist(), first.rows.tolist(), first.truncated)
    assert again.tokens().tolist() == first.tokens().tolist()


def test_what_matters_makes_another_file() -> None:
    shorter = tiny.tokenizer()
    shorter.model_max_length = 6
    files = {
        file_of(*made(), tiny.tokenizer()),
        file_of(*made(max_length=9), tiny.tokenizer()),
        file_of(*made(), shorter),
        file_of(*made([*ROWS[1:], ROWS[0]]), tiny.tokenizer()),
    }
    assert len(files) == 4
    assert None not in files
    used = tiny.tokenizer()
    used(["a", "b c"], padding=True, truncation=True, max_length=3)
    assert file_of(*made(), used) in files


def test_groups_are_those_of_now() -> None:
    examples, task = made([{**row, "group": "xy"[number % 2]} for number, row in enumerate(ROWS)])
    for _ in range(2):
        assert [item["group"] for item in encode(examples, task, tiny.tokenizer())] == [0, 1] * 6


def test_what_may_change_unseen_is_not_kept() -> None:
    examples, task = made()
    dated = tiny.tokenizer()
    dated.chat_template = "{{ strftime_now('%Y') }}"
    assert file_of(examples, task, dated) is None
    assert file_of(examples, task, None) is None
    assert file_of(examples.select(np.arange(5)), task, tiny.tokenizer()) is None
    task.thing = object()
    assert file_of(examples, task, tiny.tokenizer()) is None
    pictures = ImageClassification()
    assert file_of(Examples(examples.rows, pictures), pictures, tiny.tokenizer()) is None


def test_a_damaged_file_is_made_anew() -> None:
    examples, task = made()
    first = list(encode(examples, task, tiny.tokenizer()))
    (file,) = (cache() / "tokens").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert list(encode(examples, task, tiny.tokenizer())) == first
    assert file.read_bytes() == whole


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    written(tmp_path / "x" / "one.arrow", write)
    assert list((tmp_path / "x").iterdir()) == []


def test_chunks_of_other_features_are_kept_apart() -> None:
    assert not Encoded([[{"length": 1}], [{"length": 2, "pair": [1]}]]).alike()
    assert not Encoded([]).alike()


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "used", "new")):
        for ending in ("bin", "json"):
            file = tmp_path / f"{name}.{ending}"
            file.write_bytes(bytes(100))
            os.utime(file, (number, number))
    os.utime(tmp_path / "old.json")
    assert tidy(tmp_path, 450) == 200
    assert sorted(path.stem for path in tmp_path.glob("*.bin")) == ["new", "old"]
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == ["new", "old"]


def test_what_another_process_removes_meanwhile_counts_as_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("before.bin", "after.bin", "stays.bin"):
        (tmp_path / name).write_bytes(bytes(100))
    stat = Path.stat

    def removed(path: Path, **settings: Any) -> os.stat_result:
        if path.name == "before.bin":
            path.unlink(missing_ok=True)
        state = stat(path, **settings)
        if path.name == "after.bin":
            path.unlink()
        return state

    monkeypatch.setattr(Path, "stat", removed)
    assert tidy(tmp_path, 450) == 0
    assert [file.name for file in files_in(tmp_path)] == ["stays.bin"]
    assert tidy(tmp_path / "nowhere", 450) == 0


def test_what_a_kill_left_goes_after_a_day(tmp_path: Path) -> None:
    for name in (".trunk-old/bin", ".trunk-filling/bin", ".new", ".old", "kept"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes(100))
    for name in (".trunk-old/bin", ".trunk-old", ".trunk-filling", ".old", "kept"):
        os.utime(tmp_path / name, (0, 0))
    assert tidy(tmp_path, 450) >= 200
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new", ".trunk-filling", "kept"]


def test_what_alone_is_too_large_displaces_nothing(tmp_path: Path) -> None:
    for number, (name, size) in enumerate({"old": 100, "newer": 200, "large": 500}.items()):
        file = tmp_path / name
        file.write_bytes(bytes(size))
        os.utime(file, (number, number))
    assert tidy(tmp_path, 450) == 500
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newer", "old"]


def test_what_alone_is_too_large_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, task = made()
    small = encode(examples, task, tiny.tokenizer())
    (file,) = (cache() / "tokens").iterdir()
    monkeypatch.setattr("tunesmith.data.encode.LIMIT", small.size)
    large = [{**row, "text": row["text"] * 9} for row in ROWS]
    assert encode(*made(large), tiny.tokenizer()).size > small.size
    assert list((cache() / "tokens").iterdir()) == [file]
