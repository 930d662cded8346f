"""Runs by their names: in the usual folder, in another, and within a run of several."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.naming import RESOLVED, naming, run_named


def test_a_run_is_found_by_its_path_and_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("runs/usual", "others/mine", "here"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / RESOLVED).touch()
    (tmp_path / "runs" / "begun").mkdir()
    assert (run_named("usual"), run_named("here"), run_named("others/mine")) == (Path("runs/usual"), Path("here"), Path("others/mine"))
    assert [run_named(spec) for spec in ("mine", "begun", "no", "", "x" * 5000)] == [None] * 5
    with naming(Path("others")):
        assert (run_named("mine"), run_named("usual")) == (Path("others/mine"), None)
        with naming(Path("others/mine/trials")):
            assert run_named("mine") == Path("others/mine")
    assert run_named("mine") is None
