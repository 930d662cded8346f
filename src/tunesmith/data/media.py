"""Images and sound as they lie in a row: a file, or the content of one. Nothing is decoded before a batch is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.task import Row, RowError

Medium = str | bytes  # the path of a file, or its content
REMEMBERED = 1_000_000  # media that are not decoded again only to see whether they can be
SHOWN = 300  # characters of a name in a message

_said: dict[tuple[Any, ...], float] = {}


def medium_of(value: Any, role: str, drawn: Callable[[Any], bytes]) -> Medium:
    """The file that a cell names, or the content it holds: a path, bytes, ``{bytes, path}`` as data sets of the hub have it, or numbers.

    ``drawn`` makes a file's content of numbers. Raises ``RowError`` for a file that is not there, and for anything else.
    """
    if isinstance(value, Mapping) and ("bytes" in value or "path" in value):
        value = value.get("bytes") or value.get("path")
    if value is None or (isinstance(value, str | bytes) and not value):
        raise RowError(f"there is no {role}", "Name its file, or leave the row out", role)
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        return drawn(value)
    if not is_there(value):
        what = "is a folder" if is_there(value, Path.is_dir) else "is not there"
        named = value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
        raise RowError(f"the file {named} {what}", "Correct the path, which starts from the folder of the data file", role)
    return value


def is_there(name: str, kind: Callable[[Path], bool] = Path.is_file) -> bool:
    """Whether a text is the name of a file, or of another ``kind``; one that is too long for a name is none."""
    with suppress(OSError, ValueError):
        return kind(Path(name))
    return False


def checked(medium: Medium, check: Callable[[Medium], float]) -> float:
    """What ``check`` says of a medium; it raises ``RowError`` where that cannot be decoded, and is asked once for each file."""
    state = Path(medium).stat() if isinstance(medium, str) else None
    key = (check, medium, state.st_size, state.st_mtime_ns) if state else (check, digest(medium))
    if key not in _said:
        if len(_said) >= REMEMBERED:
            _said.clear()
        _said[key] = check(medium)
    return _said[key]


def digest(medium: Medium) -> int:
    """63 bits of a hash of the content: the same picture under two names is one."""
    content = medium if isinstance(medium, bytes) else Path(medium).read_bytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1


def as_feature(medium: Medium) -> Row:
    """A medium as a flat list of numbers, which features are made of: ``file``, and whether it is the name of one."""
    named = isinstance(medium, str)
    return {"file": np.frombuffer(medium.encode() if isinstance(medium, str) else medium, np.uint8), "named": int(named)}


def of_feature(feature: Row) -> Medium:
    """The medium that ``as_feature`` was called with."""
    content = bytes(feature["file"])
    return content.decode() if feature["named"] else content


def called(medium: Medium, role: str) -> str:
    """What people call a medium: the path of its file, or its kind and size."""
    return medium if isinstance(medium, str) else f"{role} of {len(medium):,} bytes"
