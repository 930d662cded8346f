"""One live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.cli import progress, show
from tunesmith.cli.progress import Progress
from tunesmith.core.clock import Clock
from tunesmith.core.observer import Record


@pytest.fixture(autouse=True)
def handler() -> Any:
    """Put the answer to Ctrl-C back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def live(monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> None:
    monkeypatch.setattr(show, "live", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))


def watched(steps: int = 3) -> Progress:
    """The progress of a run whose every step takes two seconds and has a loss of 1."""
    observer = Progress()
    task = SimpleNamespace(primary="accuracy", higher_is_better=True)
    run: Any = SimpleNamespace(task=task, clock=Clock(0, 3, 3), evaluations=[])
    observer.begin(run)
    observer.say("a line for the user")
    for step in range(1, steps + 1):
        run.clock = run.clock.tick(16, 1000)
        observer.step(run, Record(step, step / 3, 1.0, 5e-5, 16, 1000, 0.1, 2.0))
    for value in (0.5, 0.75):
        run.evaluations.append({"accuracy": value})
        observer.evaluated(run, run.evaluations[-1])
    observer.end(run, "all steps done")
    return observer


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    watched()
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "a line for the user"
    assert lines[1].startswith("step 3/3  loss 1.0000  rate 5.0e-05  500 tokens/s  0.0 s left  ")
    assert lines[2] == "step 3 (epoch 1): accuracy 0.5 on the validation rows"
    assert lines[3] == "step 3 (epoch 1): accuracy 0.75 on the validation rows, the best so far"
    assert lines[4].startswith("3 steps in ")
    assert len(lines) == 5


def test_what_is_computed_once_does_not_count_for_the_speed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    observer, clock = Progress(), Clock(0, 100, 100)
    run: Any = SimpleNamespace(clock=clock, evaluations=[])
    observer.begin(run)
    for step, seconds in enumerate((900.0, 2.0, 2.0, 300.0, 2.0), 1):
        run.clock = run.clock.tick(16, 1000)
        observer.step(run, Record(step, step / 100, 1.0, 5e-5, 16, 1000, 0.1, seconds))
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("step 1/100  loss 1.0000  rate 5.0e-05  ")
    assert " left" not in first
    assert "  500 tokens/s  3 min 16 s left  " in others[0]
    assert "  500 tokens/s  3 min 10 s left  " in others[-1]


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    watched(steps=2)
    assert "loss" not in capsys.readouterr().err


def test_plain_lines_come_from_time_to_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    watched(steps=2)
    assert capsys.readouterr().err.count("loss 1.0000") == 2


@pytest.mark.parametrize("columns", [40, 80])
def test_a_live_line(columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    live(monkeypatch, columns)
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.0)
    watched()
    pieces = capsys.readouterr().err.split(show.CLEAR)
    assert [piece.split("  ")[0] for piece in pieces[2:5]] == ["step 1/3", "step 2/3", "step 3/3"]
    assert all("\n" not in piece and len(piece) < columns for piece in pieces[2:5])
    assert pieces[1] == "a line for the user\n"
    assert all(len(line) <= columns for piece in pieces for line in piece.splitlines())


def test_an_interrupt_is_answered_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    watched()
    signal.raise_signal(signal.SIGINT)
    assert asked == [signal.SIGINT]
    assert capfd.readouterr().err.splitlines()[-1] == progress.STOPPING


def test_the_first_process_alone_shows_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(progress.observers()) == 1
    monkeypatch.setenv("RANK", "1")
    assert progress.observers() == []
    show.say("nothing")
    assert capsys.readouterr().err == ""


def test_a_stage_has_figures_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    observer, run = Progress(), SimpleNamespace(clock=Clock(0, 1, 1))
    given: Any = run
    for loss in (9.0, 1.0):
        run.clock = Clock(0, 1, 1)
        observer.begin(given)
        run.clock = run.clock.tick(16, 1000)
        observer.step(given, Record(1, 1.0, loss, 5e-5, 16, 1000, 0.1, 2.0))
        observer.end(given, "all steps done")
    lines = capsys.readouterr().err.splitlines()
    assert "loss 1.0000" in lines[2]
    assert lines[3].startswith("1 step in ")


def test_it_has_no_memory() -> None:
    assert watched().memory() == {}
