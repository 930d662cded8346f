"""The run folder: made once, found again by name, every file written whole or not at all."""

from __future__ import annotations

import difflib
import importlib.metadata
import json
import math
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DiskError, InputError, Problem, ResourceError
from tunesmith.data.settings import IN_MEMORY

RECIPES = ("recipe.yaml", "recipe.resolved.yaml")  # a folder that holds one of them is a run
ENVIRONMENT = "environment.json"  # stands beside the recipe of a run, and beside no other
NAMED = 8  # runs that are named where one is not there
PACKAGES = ("tunesmith", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "pyarrow", "scikit-learn")


def create(runs: Path, name: str) -> Path:
    """Make the folder of a new run. An existing run is refused, and so is a name that is not one folder's name (``InputError``)."""
    if not name or name.startswith((".", "-")) or name == "last" or any(letter in name for letter in '/\\\0:*?"<>|'):
        remedy = "Use letters, digits, '-' and '_', for example --run reviews-2 (from Python run='reviews-2')"
        raise InputError(Problem(f"'{name}' cannot be the name of a run", remedy))
    folder = runs / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        if not folder.exists():
            raise InputError(Problem("this is a file, not a folder for runs", "Choose another with --runs DIR", str(runs))) from error
        other = "Name the new one with --run NAME (from Python run=NAME)"
        remedy = f"{other}, go on with the old one by `tunesmith resume {name}`, or remove its folder"
        raise InputError(Problem(f"the run '{name}' exists, and runs are never overwritten", remedy, str(folder))) from error
    except NotADirectoryError as error:
        raise InputError(Problem("a file stands where a folder is needed", "Choose another with --runs DIR", str(runs))) from error
    except OSError as error:
        raise ResourceError(
            Problem(f"the run's folder cannot be made ({error.strerror})", "Choose another with --runs DIR", str(folder))
        ) from error
    return folder


def lock(run: Path) -> int | None:
    """Take the folder of a run for this process; closing what is returned, or the end of the process, gives it back.

    Raises ``InputError`` where another one works in it. None where the system knows no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    held = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(held)
        raise InputError(Problem("another process is at work on this run", "Let it end, or stop it", str(run))) from error
    except OSError:  # some disks of networks have no locks
        pass
    return held


def busy(run: Path) -> bool:
    """Whether a process is at work on a run."""
    try:
        held = lock(run)
    except InputError:
        return True
    if held is not None:
        os.close(held)
    return False


def find(runs: Path, which: str) -> Path:
    """The folder of a run: ``last``, its name in ``runs``, or a path, from here or from ``runs``.

    Raises ``InputError``, with the nearest name where there is one.
    """
    known = {folder.name: folder for folder in runs.iterdir() if _is_run(folder)} if runs.is_dir() else {}
    if which == "last" and known:
        return max(known.values(), key=_started)
    if which in known:
        return known[which]
    for path in (Path(which), runs / which):
        if which and _is_run(path):
            return path
    if Path(which).is_dir() and which:
        raise InputError(Problem("this folder is not a run: it holds no recipe", "Name a run, its folder, or 'last'", which))
    near = difflib.get_close_matches(which, known, n=1)
    remedy = "Train one first: `tunesmith train recipe.yaml`"
    if known:
        names = sorted(known, key=lambda name: _started(known[name]), reverse=True)
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        remedy = f"Did you mean '{near[0]}'?" if near else f"There {'is' if len(names) == 1 else 'are'} {', '.join(names[:NAMED])}{more}"
    raise InputError(Problem(f"There is no run '{which}' in {runs}", remedy))


def all_in(runs: Path) -> list[Path]:
    """The runs in a folder of runs, the oldest first. Those of an ablation are among them, which lie in a folder of their own."""
    folders = [folder for folder in runs.iterdir() if folder.is_dir()] if runs.is_dir() else []
    found = [run for folder in folders for run in ([folder] if _is_run(folder) else folder.iterdir()) if _is_run(run)]
    return sorted(found, key=_started)


def resuming(run: Path) -> str:
    """The remedy for a run that is not finished."""
    if in_memory(run):
        return f"Its rows were in memory, so give them again: go on from Python with `tunesmith.resume({str(run)!r}, recipe={{...}})`"
    return f"Go on with `tunesmith resume {shlex.quote(str(run))}`"


def in_memory(run: Path) -> bool:
    """Whether a run learns from rows that no file holds."""
    recipe = run / RECIPES[0]
    return recipe.is_file() and IN_MEMORY in recipe.read_text(encoding="utf-8")


def whole_of(part: Path) -> Path | None:
    """The run that a stage, a trial or one of several seeds is a part of, or a part of a part; None for a run by itself."""
    around = part.resolve().parent
    return (whole_of(around) or around) if all((around / name).is_file() for name in (RECIPES[0], ENVIRONMENT)) else None


def _is_run(folder: Path) -> bool:
    return any((folder / recipe).is_file() for recipe in RECIPES)


def _started(run: Path) -> tuple[float, str]:
    """When a run began, to order runs by: its recipe is written first and never again."""
    return min((run / recipe).stat().st_mtime for recipe in RECIPES if (run / recipe).is_file()), run.name


def write_text(path: Path, text: str) -> None:
    """Put ``text`` (UTF-8) at ``path`` in one move: a reader sees the old file or the new one, whole. Raises ``DiskError``."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with staged.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise DiskError(Problem(f"it cannot be written ({error.strerror})", "Free some space", str(path))) from error


def write_json(path: Path, value: Any) -> None:
    """Put ``value`` at ``path`` as JSON: arrays as lists, paths as text, NaN and infinities as null, as JSON has no words for them."""
    write_text(path, json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """``value`` as JSON can write it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy and torch, scalars among them
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def environment() -> dict[str, Any]:
    """What a run depends on beside its recipe: versions, platform, hardware, the commit. Names no machine and no user."""
    import psutil
    import torch

    device = "cpu"
    if torch.cuda.is_available():
        device = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    elif torch.backends.mps.is_available():
        device = "mps"
    found = {package: _version(package) for package in PACKAGES}
    return {
        "python": platform.python_version(),
        "packages": {package: version for package, version in found.items() if version},
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "device": device,
        **({"commit": commit} if (commit := _commit()) else {}),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """The processor's model name where the system tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _commit() -> str:
    """The git commit of the working folder, ``-dirty`` where files differ from it; empty outside a repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (subprocess.SubprocessError, OSError):
        return ""
