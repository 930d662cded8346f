"""Reading wheels, zips and tars without ever writing where they say."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any, Self, cast

from tunesmith.core.errors import IntegrityError


class Archive:
    """The files of a wheel, a zip or a tar (a path, or its bytes), each found by the end of its path.

    Only regular files are seen: links and devices are left out. Opening one that names a path outside itself raises
    ``IntegrityError``.
    """

    def __init__(self, source: Path | bytes) -> None:
        self._opened = ExitStack()
        file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        self._opened.enter_context(file)
        self._members = _zipped(file) if zipfile.is_zipfile(file) else _tarred(file)
        for name in self._members:
            if not _stays_inside(name):
                self._opened.close()
                raise IntegrityError(f"The archive holds {name!r}, which leads out of it", remedy="Nothing was unpacked; report it.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.close()

    def under(self, folder: str) -> list[str]:
        """The files below a folder, which is given from the root of the archive, in order of name."""
        return sorted(name for name in self._members if name.startswith(folder.rstrip("/") + "/"))

    def read(self, end: str) -> bytes:
        """The content of the one file whose path is ``end``, or ends with it."""
        with self._members[self._find(end)]() as member:
            return member.read()

    def text(self, end: str) -> str:
        """The same, decoded as UTF-8; what is not UTF-8 becomes U+FFFD."""
        return self.read(end).decode("utf-8", "replace")

    def json_lines(self, end: str) -> list[dict[str, Any]]:
        """The same, as one JSON value a line. Only a line feed ends a line: texts hold other characters that look like one."""
        return [json.loads(line) for line in self.text(end).split("\n") if line.strip()]

    def copy(self, end: str, target: Path) -> None:
        """Write the content to ``target``, in pieces: a model need not fit in memory."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._members[self._find(end)]() as member, target.open("wb") as file:
            shutil.copyfileobj(member, file, 1 << 20)

    def _find(self, end: str) -> str:
        found = [name for name in self._members if name == end or name.endswith("/" + end)]
        if len(found) != 1:
            raise IntegrityError(f"The archive holds {len(found)} files that end with {end!r}, not one")
        return found[0]


def _zipped(file: IO[bytes]) -> dict[str, Callable[[], IO[bytes]]]:
    archive = zipfile.ZipFile(file)
    return {member.filename: partial(archive.open, member) for member in archive.infolist() if not member.is_dir()}


def _tarred(file: IO[bytes]) -> dict[str, Callable[[], IO[bytes]]]:
    file.seek(0)
    archive = tarfile.open(fileobj=file)  # noqa: SIM115 - it lives as long as the file, which the archive closes
    return {member.name: cast(Callable[[], IO[bytes]], partial(archive.extractfile, member)) for member in archive if member.isfile()}


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name[:2]
