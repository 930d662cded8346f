"""The run folder: made once, found by name, written whole."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import InputError, ResourceError
from tunesmith.report import folder


def run(runs: Path, name: str, began: float = 1.0) -> Path:
    made = folder.create(runs, name)
    (made / "recipe.yaml").write_text("task: x\n")
    os.utime(made / "recipe.yaml", (began, began))
    return made


def test_create_makes_the_folder_and_its_parents(tmp_path: Path) -> None:
    made = folder.create(tmp_path / "a" / "runs", "评论-1")
    assert made == tmp_path / "a" / "runs" / "评论-1"
    assert made.is_dir()


def test_create_refuses_an_existing_run_and_leaves_it_alone(tmp_path: Path) -> None:
    (run(tmp_path, "first") / "scores.json").write_text("{}")
    with pytest.raises(InputError, match=r"first.*exists.*--run NAME.*tunesmith resume first"):
        folder.create(tmp_path, "first")
    assert (tmp_path / "first" / "scores.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "last", "a\0b", "c:d"])
def test_create_refuses_what_is_not_the_name_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a run"):
        folder.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_create_says_when_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for runs in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(InputError, match="--runs DIR"):
            folder.create(runs, "first")


def test_create_reports_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(ResourceError, match=r"No space left.*--runs DIR"):
        folder.create(tmp_path, "first")


def test_two_do_not_work_on_one_run(tmp_path: Path) -> None:
    held = folder.lock(tmp_path)
    assert held is not None
    assert folder.busy(tmp_path)
    with pytest.raises(InputError, match="another process is at work on this run"):
        folder.lock(tmp_path)
    os.close(held)
    assert not folder.busy(tmp_path)


def test_find_by_last_name_and_path(tmp_path: Path) -> None:
    newest, oldest = run(tmp_path, "newest", began=200.0), run(tmp_path, "oldest", began=100.0)
    assert folder.find(tmp_path, "last") == newest
    assert folder.find(tmp_path, "oldest") == oldest
    assert folder.find(tmp_path / "elsewhere", str(oldest)) == oldest


def test_last_is_the_run_that_began_last_not_the_one_touched_last(tmp_path: Path) -> None:
    newest, oldest = run(tmp_path, "newest", began=200.0), run(tmp_path, "oldest", began=100.0)
    (oldest / "report.html").write_text("written again today")
    assert folder.find(tmp_path, "last") == newest


def test_find_says_what_there_is(tmp_path: Path) -> None:
    run(tmp_path, "reviews")
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError, match="Did you mean 'reviews'"):
        folder.find(tmp_path, "review")
    with pytest.raises(InputError, match="There is reviews"):
        folder.find(tmp_path, "zzz")
    for number in range(9):
        run(tmp_path, f"other-{number}", began=10.0 + number)
    with pytest.raises(InputError, match=r"There are other-8, .*, other-1 and 2 more"):
        folder.find(tmp_path, "zzz")
    with pytest.raises(InputError, match="not a run"):
        folder.find(tmp_path, str(tmp_path / "notes"))
    for which in ("last", "reviews", ""):
        with pytest.raises(InputError, match="Train one first"):
            folder.find(tmp_path / "none", which)


def test_a_part_of_a_run_is_told_by_what_the_run_around_it_wrote(tmp_path: Path) -> None:
    part = run(tmp_path, "part")
    (tmp_path / "recipe.yaml").write_text("task: x\n")
    assert folder.whole_of(part) is None
    folder.write_json(tmp_path / folder.ENVIRONMENT, {})
    assert folder.whole_of(part) == tmp_path


def test_rows_in_memory_are_asked_for_again(tmp_path: Path) -> None:
    made = run(tmp_path, "first")
    assert folder.resuming(made) == f"Go on with `tunesmith resume {made}`"
    (made / "recipe.yaml").write_text("data: {train: (list in memory)}\n")
    assert folder.resuming(made).endswith(f"`tunesmith.resume('{made}', recipe={{...}})`")


def test_write_replaces_whole_files_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    folder.write_text(path, "old")
    folder.write_text(path, "新的\n")
    assert path.read_bytes() == "新的\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "card.md"
    folder.write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"card\.md.*No space left"):
        folder.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_holds_arrays_paths_and_no_nan(tmp_path: Path) -> None:
    value = {
        "array": np.arange(3),
        "number": np.float32(0.5),
        "nan": float("nan"),
        "deep": [(1, float("inf"))],
        "path": Path("a/b"),
        3: True,
    }
    folder.write_json(tmp_path / "x.json", value)
    expected = {"array": [0, 1, 2], "number": 0.5, "nan": None, "deep": [[1, None]], "path": "a/b", "3": True}
    assert json.loads((tmp_path / "x.json").read_text()) == expected


def test_environment_names_versions_but_no_machine_and_no_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = folder.environment()
    assert found["packages"]["torch"].startswith("2.")
    assert found["cores"] >= 1
    assert found["memory"].endswith(" GB")
    assert "commit" not in found
    assert socket.gethostname() not in json.dumps(found)
    assert str(Path.home()) not in json.dumps(found)
