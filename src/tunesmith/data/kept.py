"""Where the features of examples are kept between runs, and under which name: a digest of everything that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from tunesmith.core.task import Task
from tunesmith.data.examples import Examples
from tunesmith.samples.fetch import cache as cache_folder

WORTH = 1000  # examples from which a file is worth it
LEFT = 24 * 60 * 60  # seconds after which nobody writes any more what has no name yet
LIMIT = 2 * 2**30  # bytes that all files together take
FOLDER = "tokens"  # of the cache folder
PACKAGE = Path(__file__).parents[1]
ADDRESS = " at 0x"  # in the repr of an object that says nothing of itself
TODAY = "strftime_now"  # in a template that writes the date


def file_of(examples: Examples, task: Task, tokenizer: Any) -> Path | None:
    """The file for the features of ``examples``, whether it is there or not.

    None for few examples, for files (which may change under the same name), and where it cannot be known what the features depend on:
    a task that is not of the package, one that holds more than values, a tokenizer that does not tell what it does.
    """
    ours = type(task).__module__.startswith("tunesmith.tasks.")
    if len(examples) < WORTH or not ours or any(column.file for column in task.columns()):
        return None
    told, does = repr(sorted(vars(task).items())), _told(tokenizer)
    if ADDRESS in told or does is None:
        return None
    digest = hashlib.sha256(f"{_code()} {type(task).__name__} {told} {does}".encode())
    for block in examples.rows.blocks():
        digest.update(json.dumps(block, sort_keys=True, default=repr).encode())
    return cache_folder() / FOLDER / f"{digest.hexdigest()[:32]}.arrow"


def written(file: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make the file aside, and move it into place. A full disk leaves nothing, and stops nobody."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = mkstemp(prefix=".", dir=file.parent)
        os.close(handle)
        try:
            write(Path(aside))
            Path(aside).replace(file)
        finally:
            Path(aside).unlink(missing_ok=True)
        tidy(file.parent, LIMIT)


def tidy(folder: Path, limit: int) -> int:
    """Remove what was used least recently in ``folder``, until all takes at most ``limit`` bytes. Returns what was freed.

    What alone takes more is removed, and displaces nothing else.
    Files of one stem belong together. What a kill left half-written, its name begins with a dot, is removed after a day.
    """
    _, folders, names = next(os.walk(folder), ("", [], []))
    freed = sum(_cleared(folder / name) for name in (*folders, *names) if name.startswith("."))
    known = {file: state for file, state in files_in(folder).items() if file.parent == folder and not file.name.startswith(".")}
    parts = [list(part) for _, part in groupby(sorted(known, key=lambda file: file.stem), lambda file: file.stem)]
    total = 0
    for part in sorted(parts, key=lambda part: max(known[file].st_mtime for file in part), reverse=True):
        size = sum(known[file].st_size for file in part)
        total += size if size <= limit else 0
        if max(size, total) > limit:
            freed += size
            for file in part:
                file.unlink(missing_ok=True)
    return freed


def files_in(folder: Path) -> dict[Path, os.stat_result]:
    """The files in a folder and below, each with what is known of it; those that another process removes meanwhile are left out."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found[Path(place, name)] = Path(place, name).stat()
    return found


def _cleared(part: Path) -> int:
    """Remove a file or folder that was written to last before a day or more. Returns its size, 0 where it stays or is gone already."""
    with suppress(OSError):
        inside = [path.stat() for path in (part, *part.rglob("*"))]
        if time.time() - max(one.st_mtime for one in inside) > LEFT:
            shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink()
            return sum(one.st_size for one in inside)
    return 0


def _told(tokenizer: Any) -> str | None:
    """Everything that a tokenizer does; None where it does not tell, or does something else tomorrow."""
    backend, template = getattr(tokenizer, "backend_tokenizer", None), getattr(tokenizer, "chat_template", None)
    if backend is None or TODAY in str(template):
        return None
    rules = {name: value for name, value in json.loads(backend.to_str()).items() if name not in ("truncation", "padding")}
    sides = (tokenizer.padding_side, tokenizer.truncation_side, tokenizer.model_max_length)
    return f"{type(tokenizer).__name__} {json.dumps(rules)} {sides} {tokenizer.special_tokens_map} {template}"


@cache
def _code() -> str:
    """A digest of the code that reads and encodes, and of the libraries that it asks."""
    digest = hashlib.sha256(f"{version('transformers')} {version('tokenizers')}".encode())
    for file in sorted(file for part in ("core", "data", "model", "tasks") for file in (PACKAGE / part).glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
