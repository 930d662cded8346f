"""A run that is stopped or killed can be resumed, to the bytes of one that never was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Command
from tunesmith.cli.app import run
from tunesmith.cli.progress import Progress

LONG = ("training.epochs=20", "training.evaluate_every=20st", "training.save_every=20st", "baselines=false")


@pytest.fixture(scope="module")
def whole(made: Path) -> Path:
    """The folder of a run that was never stopped."""
    assert run(["train", str(made / "recipe.yaml"), *LONG, "--run", "whole", "--runs", str(made / "runs")]) == 0
    return made / "runs" / "whole"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal(number: signal.Signals, code: int, whole: Path, here: Path, tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    step, before = Progress.step, signal.getsignal(number)

    def interrupted(self: Progress, state: Any, record: Any) -> str | None:
        if record.step == 33:
            os.kill(os.getpid(), number)
        return step(self, state, record)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "step", interrupted)
        stopped = tunesmith("train", "recipe.yaml", *LONG, "--run", "stopped")
    assert (stopped.code, stopped.out) == (code, "")
    assert stopped.err.splitlines()[-1] == "Stopped after step 33; everything is saved. Go on with `tunesmith resume runs/stopped`."
    assert ("Stopping after this step" in stopped.err) == (number == signal.SIGINT)
    assert signal.getsignal(number) == before
    assert tunesmith("list", "--json").json[-1]["state"] == "unfinished"

    resumed = tunesmith("resume", "stopped")
    assert "resumed at step 33 of 140" in resumed.err
    assert resumed.code == 0
    check_same(whole, here / "runs" / "stopped")


def test_a_second_interrupt_stops_at_once(tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Progress, state: Any, record: Any) -> str | None:
        if record.step == 25:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return None

    monkeypatch.setattr(Progress, "step", interrupted)
    stopped = tunesmith("train", "recipe.yaml", *LONG)
    assert stopped.code == 130
    assert stopped.err.splitlines()[-1] == "Stopped at once. Go on with `tunesmith resume runs/recipe`."
    assert [path.name for path in sorted((here / "runs/recipe/checkpoints").glob("step-*"))] == ["step-00000020"]


@pytest.mark.parametrize(("stage", "left"), [("load", False), ("prove", True)])
def test_an_interrupt_before_and_after_training(
    stage: str, left: bool, tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"tunesmith.run.{stage}", interrupt)
        stopped = tunesmith("train", "recipe.yaml", "--json")
    assert stopped.json["exit_code"] == stopped.code == 130
    assert (here / "runs").exists() == left
    assert tunesmith(*(("resume", "recipe") if left else ("train", "recipe.yaml"))).code == 0


def test_a_real_ctrl_c(whole: Path, here: Path, tunesmith: Command) -> None:
    process = started("stopped")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "Go on with `tunesmith resume runs/stopped`." in err.splitlines()[-1]
    assert tunesmith("resume", "stopped").code == 0
    check_same(whole, here / "runs" / "stopped")


@pytest.mark.slow
def test_a_kill(whole: Path, here: Path, tunesmith: Command) -> None:
    process = started("killed")
    process.kill()
    process.communicate()
    resumed = tunesmith("resume")  # the last run
    assert resumed.code == 0
    assert "resumed at step" in resumed.err
    check_same(whole, here / "runs" / "killed")


def started(name: str) -> subprocess.Popen[str]:
    """A process that trains, after its second evaluation."""
    command = [sys.executable, "-m", "tunesmith", "train", "recipe.yaml", *LONG, "--run", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 40 "):
            return process
    raise AssertionError(f"it ended with {process.wait()}")


def check_same(one: Path, other: Path) -> None:
    """The same weights to the last byte, and the same events but for their times and the words of stop and resume."""
    assert (one / "model/model.safetensors").read_bytes() == (other / "model/model.safetensors").read_bytes()
    assert events(one) == events(other)


def events(folder: Path) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    kept = (event for event in read if event.get("reason") != "interrupted" and not event.get("text", "").startswith("resumed at"))
    return [{key: value for key, value in event.items() if key != "time"} for event in kept]
