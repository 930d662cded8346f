"""The files of the project, as the rules of the house read them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "docs", "benchmarks")


@dataclass(frozen=True)
class Source:
    """A file: ``path`` is relative to the root of the project, as messages show it."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def module(self) -> str:
        """The dotted name of a file of the package; of a folder, for an ``__init__.py``."""
        parts = self.path.with_suffix("").parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def at(self, node: ast.AST | int, fault: str) -> str:
        """``fault`` with its place."""
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}: {fault}"


def read(path: Path) -> Source:
    return Source(path.relative_to(ROOT), path.read_text(encoding="utf-8"))


def python(*folders: str) -> list[Source]:
    """The Python files of some folders, of the whole project without any."""
    return [read(path) for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def package() -> list[Source]:
    """The modules of tunesmith."""
    return python("src")


def texts() -> list[Source]:
    """Everything that people write: code, pages, recipes, settings of tools."""
    written = {".py", ".md", ".yaml", ".toml", ".txt", ".html", ".css", ".js", ".j2"}
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in written]
    return [
        read(path) for path in [*found, *pages(), *(ROOT / name for name in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/run"))]
    ]


def pages() -> list[Path]:
    """The Markdown files at the root."""
    return sorted(ROOT.glob("*.md"))


def report(faults: Iterable[str]) -> None:
    """Fail the test with all faults, each on its line."""
    if lines := list(dict.fromkeys(faults)):
        pytest.fail("\n".join([f"{len(lines)} found:", *lines]), pytrace=False)
