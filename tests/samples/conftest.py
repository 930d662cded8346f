"""Packages made up on the spot, and a cache of the test's own."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Pack = Callable[[Mapping[str, str | bytes]], Path]


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(files: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def wheel(tmp_path: Path) -> Pack:
    """Writes a zip of the given files and returns its path."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        path = tmp_path / "package.whl"
        path.write_bytes(zipped(files))
        return path

    return write


@pytest.fixture
def sdist(tmp_path: Path) -> Pack:
    """Writes a compressed tar of the given files and returns its path."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        path = tmp_path / "package.tar.gz"
        path.write_bytes(tarred(files))
        return path

    return write


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that ``fetch`` uses in a test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TUNESMITH_CACHE", str(folder))
    return folder
