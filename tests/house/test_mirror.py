"""The tests mirror the package: who looks for the tests of a module finds them by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from house import source
from house.source import ROOT, Source

MIRRORED = ("core", "data", "model", "metrics", "tasks", "strategies", "evaluate", "report", "recipes")


def mirror(module: Source) -> Path:
    """Where the tests of a module are: ``tests/data/test_rows.py`` for ``src/tunesmith/data/rows.py``."""
    return Path("tests", *module.path.parts[2:-1], f"test_{module.path.name}")


def untested(modules: Iterable[Source], tests: Collection[Path]) -> list[str]:
    """The modules whose tests are not where they are looked for."""
    return [file.at(1, f"there is no {mirror(file)}") for file in modules if file.path.name != "__init__.py" and mirror(file) not in tests]


def test_every_module_has_its_tests() -> None:
    tests = {path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    source.report(untested(source.python(*(f"src/tunesmith/{part}" for part in MIRRORED)), tests))


def test_a_module_without_tests_is_caught() -> None:
    rows, folder = (Source(Path(f"src/tunesmith/data/{name}.py"), "") for name in ("rows", "__init__"))
    fault = "src/tunesmith/data/rows.py:1: there is no tests/data/test_rows.py"
    assert untested([rows, folder], {Path("tests/model/test_rows.py")}) == [fault]
    assert untested([rows], {Path("tests/data/test_rows.py")}) == []
