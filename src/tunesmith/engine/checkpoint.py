"""Checkpoints: written aside, verified by digest, moved in by one rename; resumed from the newest that verifies."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from tunesmith.core.errors import DiskError, IntegrityError, Problem
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run, best_index
from tunesmith.core.setting import setting
from tunesmith.engine import distributed
from tunesmith.engine.divergence import diverged
from tunesmith.engine.shard import gathered
from tunesmith.engine.state import load_weights, weights
from tunesmith.engine.tree import flush, load_tree, save_tree
from tunesmith.model.files import open_up

MANIFEST = "manifest.json"
PARTS = ("model", "optimizer", "memory", "run")
INTERRUPTED = "interrupted"
ECHO = 2.0  # seconds in which a signal may come a second time, since torchrun passes on what its processes got themselves


@dataclass
class Checkpoints(Observer):
    """Saves a run when it is due and when it is interrupted, keeps the last few and the best, and restores the newest on begin.

    It must be the last observer. ``identity`` (recipe hash, data fingerprint, versions) goes into every manifest; a checkpoint whose
    recipe or data differ is not resumed.
    """

    folder: Path
    keep: int = setting(2, "checkpoints kept, beside the best", low=1)
    identity: Mapping[str, str] = field(default_factory=dict)

    def begin(self, run: Run) -> None:
        self._signal: int | None = None
        self._asked = 0.0
        # signals come to the main thread alone
        heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        self._before = {number: signal.signal(number, self._ask) for number in heard}
        begun = self.folder.exists()
        if distributed.first():
            self.folder.mkdir(parents=True, exist_ok=True)
            tidy(self.folder)
        distributed.barrier()
        newest = newest_valid(self.folder, run)
        if newest is not None:
            check_identity(newest, self.identity)
            where = "cpu" if run.forward.sharded else run.device
            run.restore({part: load_tree(newest / part, where) for part in PARTS})
            run.say(f"resumed at step {run.clock.step:,} of {run.clock.total:,}")
        elif begun:
            run.say("no checkpoint is whole: starting from the beginning")

    def step(self, run: Run, record: Record) -> str | None:
        asked = distributed.any_rank(self._signal is not None)
        if record.save or asked:
            self.write(f"step-{run.clock.step:08d}", run.snapshot(), run)
            self._forget_old()
        return INTERRUPTED if asked else None

    def evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        values = [scores[run.task.primary] for scores in run.evaluations]
        if best_index(values, run.task.higher_is_better) == len(values) - 1:
            self.write("best", {"model": weights(run)}, run)

    def end(self, run: Run, reason: str) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def load_best(self, run: Run) -> int | None:
        """Put the weights of the best evaluation into the model. Returns its step, None where nothing was evaluated."""
        best = self.folder / "best"
        if not (best / MANIFEST).exists():
            return None
        manifest = verify(best)
        load_weights(run, load_tree(best / "model", run.device))
        return int(manifest["step"])

    def interrupted_by(self) -> int:
        """The number of the signal that ended the run."""
        return self._signal or signal.SIGINT

    def write(self, name: str, state: Mapping[str, Any], run: Run) -> None:
        """Write a checkpoint as ``name``: all of it, or nothing. Only the first rank writes.

        Raises ``DiskError`` when the disk is full, and ``DivergedError`` rather than save weights that are not finite.
        """
        state = gathered(state) if run.forward.sharded else state
        if distributed.first():
            check_finite(state["model"]["weights"], run)
            aside = self.folder / f".writing-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            try:
                self._write_parts(aside, state, run)
            except (OSError, SafetensorError) as error:
                shutil.rmtree(aside, ignore_errors=True)
                raise DiskError(Problem(f"it cannot be written ({error})", "Free some space", str(self.folder / name))) from error
            replace_folder(aside, self.folder / name)
        distributed.barrier()

    def _write_parts(self, aside: Path, state: Mapping[str, Any], run: Run) -> None:
        aside.mkdir(parents=True)
        paths = [path for part, tree in state.items() for path in save_tree(tree, aside / part)]
        open_up(aside)
        manifest = {
            "step": run.clock.step,
            "samples": run.clock.samples,
            **self.identity,
            "files": {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths},
        }
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        flush(aside / MANIFEST)
        flush(aside)

    def _forget_old(self) -> None:
        if distributed.first():
            for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
                shutil.rmtree(old)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again = time.monotonic() - self._asked if self._signal is not None else 0.0
        if again > (ECHO if distributed.world() > 1 else 0.0):  # asked twice: the user does not want to wait for the checkpoint
            raise KeyboardInterrupt
        self._signal, self._asked = number, time.monotonic()


def replace_folder(aside: Path, target: Path) -> None:
    """Move a finished folder to its name. An older folder of that name goes only after the new one is in place."""
    old = target.with_name(f".replaced-{target.name}")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    aside.rename(target)
    flush(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def tidy(folder: Path) -> None:
    """Undo what a kill left half done: unfinished folders go, and a folder that was moved away for a new one comes back."""
    for aside in folder.glob(".writing-*"):
        shutil.rmtree(aside)
    for old in folder.glob(".replaced-*"):
        target = old.with_name(old.name.removeprefix(".replaced-"))
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)


def newest_valid(folder: Path, run: Run) -> Path | None:
    """The newest checkpoint that verifies; one that does not is passed over, and the user is told."""
    for candidate in sorted(folder.glob("step-*"), reverse=True):
        try:
            verify(candidate)
        except IntegrityError as error:
            run.say(f"passed over: {error}")
            continue
        return candidate
    return None


def verify(checkpoint: Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose files are as it says. Raises ``IntegrityError`` with every file that is not."""
    try:
        manifest: dict[str, Any] = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(Problem(f"The manifest cannot be read ({error})", "Delete the folder", str(checkpoint))) from error
    wrong = []
    for name, known in manifest["files"].items():
        path = checkpoint / name
        if not path.exists() or path.stat().st_size != known["bytes"] or sha256(path) != known["sha256"]:
            wrong.append(Problem("is missing or not what was written", "Delete the checkpoint", str(path)))
    if wrong:
        raise IntegrityError(*wrong)
    return manifest


def check_identity(checkpoint: Path, identity: Mapping[str, str]) -> None:
    manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    remedy = "Resume with what the run began with, or train under another name"
    changed = [name for name in ("recipe", "data") if name in identity and manifest.get(name) != identity[name]]
    if changed:
        raise IntegrityError(*(Problem(f"The {name} changed since this checkpoint", remedy, str(checkpoint)) for name in changed))


def check_finite(named: Mapping[str, Tensor], run: Run) -> None:
    bad = [name for name, tensor in named.items() if not math.isfinite(float(torch.sum(tensor)))]
    if bad:
        raise diverged(f"Weights are not finite after step {run.clock.step}: {', '.join(bad[:3])}", run)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def process_exit(number: int) -> int:
    """The exit code of a process that was ended by a signal: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number
