"""The tests mirror the package: who looks for the tests of a module finds them by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from house import source
from house.source import ROOT, Source

MIRRORED = ("core", "data", "model", "metrics", "tasks", "strategies", "evaluate", "report", "recipes")


def untested(modules: Iterable[Source], tests: Collection[str]) -> list[str]:
    """The modules without a ``test_<module>.py``."""
    named = [file for file in modules if file.path.name != "__init__.py" and f"test_{file.path.name}" not in tests]
    return [file.at(1, f"there is no tests/{file.path.parent.name}/test_{file.path.name}") for file in named]


def test_every_module_has_its_tests() -> None:
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    source.report(untested(source.python(*(f"src/tunesmith/{part}" for part in MIRRORED)), tests))


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_a_module_without_tests_is_caught() -> None:
    rows, folder = (Source(Path(f"src/tunesmith/data/{name}.py"), "") for name in ("rows", "__init__"))
    assert untested([rows, folder], {"test_split.py"}) == ["src/tunesmith/data/rows.py:1: there is no tests/data/test_rows.py"]
    assert untested([rows], {"test_rows.py"}) == []
