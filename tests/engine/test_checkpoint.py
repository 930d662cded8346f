"""Checkpoints: written whole, verified, passed over when damaged, tidy after a kill, resumed to the bit after a signal."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from training import same, tiny_fit, weights
from tunesmith.core.errors import IntegrityError, ResourceError
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.engine import checkpoint
from tunesmith.engine.checkpoint import Checkpoints, tidy, verify
from tunesmith.engine.tree import load_tree, save_tree


def test_kept_checkpoints_verify_and_hold_no_pickle(tmp_path: Path) -> None:
    tiny_fit(tmp_path)
    steps = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert steps == ["best", "step-00000002", "step-00000004", "step-00000006"]
    for name in steps:
        manifest = verify(tmp_path / "checkpoints" / name)
        assert {Path(file).suffix for file in manifest["files"]} <= {".json", ".safetensors"}


@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "manifest"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(damage: str, tmp_path: Path) -> None:
    through = tiny_fit(tmp_path)
    newest = tmp_path / "checkpoints" / "step-00000006"
    victim = newest / ("manifest.json" if damage == "manifest" else "optimizer.safetensors")
    raw = victim.read_bytes()
    changed = {"cut": raw[:-5], "flip": raw[:-1] + bytes([raw[-1] ^ 1]), "manifest": b"{"}
    victim.unlink() if damage == "remove" else victim.write_bytes(changed[damage])
    with pytest.raises(IntegrityError):
        verify(newest)
    resumed = tiny_fit(tmp_path)
    assert same(weights(resumed), weights(through))
    said = (tmp_path / "events.jsonl").read_text()
    assert '"step": 6' in said


def test_what_a_kill_left_is_tidied(tmp_path: Path) -> None:
    (tmp_path / ".writing-step-00000004").mkdir()
    (tmp_path / ".replaced-best").mkdir()
    (tmp_path / ".replaced-best" / "x").touch()
    tidy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


@dataclass
class Kill(Observer):
    """Sends this process a signal at a step."""

    at: int = 3
    number: int = signal.SIGTERM

    def step(self, run: Run, record: Record) -> str | None:
        if record.step == self.at:
            os.kill(os.getpid(), self.number)
        return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_resumed_run_is_the_same(number: int, tmp_path: Path) -> None:
    before = signal.getsignal(number)
    # step 3 is no checkpoint of its own: the signal makes one
    interrupted = tiny_fit(tmp_path / "one", [Kill(3, number)])
    assert interrupted.reason == checkpoint.INTERRUPTED
    assert interrupted.run.clock.step == 3
    assert signal.getsignal(number) == before
    resumed = tiny_fit(tmp_path / "one", [Kill(99)])
    assert same(weights(resumed), weights(tiny_fit(tmp_path / "two")))


def test_a_run_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        assert threads.submit(tiny_fit, tmp_path, steps=1).result().run.clock.finished


def test_a_full_disk_is_an_error_of_resources_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = checkpoint.save_tree, []

    def full(tree: object, stem: Path) -> list[Path]:
        calls.append(stem)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        return real(tree, stem)

    monkeypatch.setattr(checkpoint, "save_tree", full)
    with pytest.raises(ResourceError, match="No space left"):
        tiny_fit(tmp_path)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert "step-00000002" in kept
    assert not [name for name in kept if name.startswith(".")]
    verify(tmp_path / "checkpoints" / "step-00000002")


def test_another_recipe_or_other_data_is_not_resumed(tmp_path: Path) -> None:
    tiny_fit(tmp_path)
    manifest = tmp_path / "checkpoints" / "step-00000006" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "recipe": "old", "data": "same"}))
    with pytest.raises(IntegrityError, match="recipe changed"):
        checkpoint.check_identity(manifest.parent, {"recipe": "new", "data": "same"})


def test_best_holds_the_weights_of_the_best_evaluation(tmp_path: Path) -> None:
    fitted = tiny_fit(tmp_path)
    keeper = Checkpoints(tmp_path / "checkpoints")
    step = keeper.load_best(fitted.run)
    values = [scores["accuracy"] for scores in fitted.run.evaluations]
    assert step == fitted.run.evaluations[values.index(max(values))]["step"]


def test_old_checkpoints_are_forgotten(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        (tmp_path / f"step-{step:08d}").mkdir()
    Checkpoints(tmp_path, keep=2)._forget_old()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_trees_round_trip_and_refuse_what_is_not_plain(tmp_path: Path) -> None:
    tree = {"a": [1, None, "x", 2.5, True], "b": {"t": torch.arange(3), "nan": float("inf")}, "empty": {}}
    save_tree(tree, tmp_path / "memory")
    back = load_tree(tmp_path / "memory")
    assert back["b"].pop("t").equal(tree["b"].pop("t"))  # type: ignore[attr-defined]
    assert back == tree
    for wrong in ({"x": {1, 2}}, {"x": {1: 2}}, {"x": object()}):
        with pytest.raises(TypeError, match="x"):
            save_tree(wrong, tmp_path / "wrong")
    shutil.rmtree(tmp_path)
