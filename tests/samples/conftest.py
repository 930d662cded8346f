"""Packages made up on the spot, and a cache of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from samples.packs import Pack, tarred, zipped


def packing(path: Path, pack: Callable[[Mapping[str, str | bytes]], bytes]) -> Pack:
    def write(files: Mapping[str, str | bytes]) -> Path:
        path.write_bytes(pack(files))
        return path

    return write


@pytest.fixture
def wheel(tmp_path: Path) -> Pack:
    """Writes a zip of the given files and returns its path."""
    return packing(tmp_path / "package.whl", zipped)


@pytest.fixture
def sdist(tmp_path: Path) -> Pack:
    """Writes a compressed tar of the given files and returns its path."""
    return packing(tmp_path / "package.tar.gz", tarred)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that ``fetch`` uses in a test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TUNESMITH_CACHE", str(folder))
    return folder
