"""Tables, times and sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tunesmith.cli import show

LONG = "one two three four five six seven eight nine ten"


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show.rows([("好的", 1), ("a", LONG)], ("NAME", "WHAT"))
    assert capsys.readouterr().out.splitlines() == ["NAME  WHAT", "好的  1", f"a     {LONG}"]
    show.rows([])
    assert capsys.readouterr().out == ""


def test_the_last_column_is_wrapped_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    show.rows([("name", LONG)])
    assert capsys.readouterr().out.splitlines() == ["name  one two three four five", "      six seven eight nine ten"]
    show.rows([("a name that takes most of it", LONG)])
    assert capsys.readouterr().out.splitlines() == [f"a name that takes most of it  {LONG}"]


def test_a_sequence_is_told_with_what_it_kept(capsys: pytest.CaptureFixture[str]) -> None:
    ends = {"base": {"accuracy": 0.5}, "tuned": {"accuracy": 0.8}}
    part = {"task": "text_classification", "primary": "accuracy", **ends, "examples": 10, "seconds": {"train": 2.0}}
    kept = {"average": 0.75, "forgetting": 0.1, "backward_transfer": -0.1, "forward_transfer": None}
    matrix = {"metric": "accuracy", "stages": ["films", "plays"], "untrained": [0.5, 0.5], "matrix": [[0.8, 0.6], [0.7, 0.8]], **kept}
    stages = [{"name": f"{number}-{name}", **part} for number, name in enumerate(matrix["stages"], 1)]
    show.scores({"primary": "accuracy", **ends, "stages": stages, "sequence": matrix})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["1-films", "text", "classification", "accuracy", "50.0%", "80.0%", "10", "2.0", "s"]
    assert [line.split() for line in lines if line.startswith("after")] == [
        ["after", "films", "80.0%", "60.0%"],
        ["after", "plays", "70.0%", "80.0%"],
    ]
    assert "average of all stages at the end 75.0%" in lines
    assert "forgetting: how much better earlier stages once were 10.0%" in lines


def test_words_that_are_too_long_are_left_whole() -> None:
    assert show.wrapped("see /a/very/long/path/that-has-no-blank here", 2, 20) == "see\n  /a/very/long/path/that-has-no-blank\n  here"


def test_lines_for_the_user(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    show.passing("gone")
    show.say(LONG)
    assert capsys.readouterr().err == f"{LONG}\n"
    monkeypatch.setattr(show, "live", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    show.passing(LONG)
    show.say(LONG)
    show.wrong(["a command that can be copied, all of it"])
    pieces = capsys.readouterr().err.split(show.CLEAR)
    assert pieces[1] == LONG[:29]
    assert pieces[2] == "one two three four five six\n  seven eight nine ten\n"
    assert pieces[3] == "a command that can be copied, all of it\n"


def test_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    show.document({"a": ["好", 1.5, None, float("nan"), np.int64(3), Path("x")]})
    assert json.loads(capsys.readouterr().out) == {"a": ["好", 1.5, None, None, 3, "x"]}


def test_what_is_learned_stands_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [("a question ", False), ("an answer", True), (" more", False)]
    show.learned(pieces)
    assert capsys.readouterr().out.endswith("a question \u27e6an answer\u27e7 more\n")
    show.learned(pieces, most=13)
    assert capsys.readouterr().out.endswith("a question \u27e6an\u27e7 ...\n")
    show.learned([])
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show.learned(pieces)
    assert "\x1b[32man answer\x1b[0m" in capsys.readouterr().out
