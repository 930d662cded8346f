"""Imports point downward only, never in a circle, and only to packages that are declared."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from house import layers, source
from house.source import ROOT, Source


def module(name: str, text: str) -> Source:
    return Source(Path("src", *name.split(".")).with_suffix(".py"), text)


def test_imports_point_downward() -> None:
    source.report(fault for file in source.package() for fault in layers.layer_faults(file))


def test_no_import_goes_in_a_circle() -> None:
    found = layers.cycle(source.package())
    assert not found, " -> ".join(found)


@pytest.mark.parametrize(
    ("importer", "text", "fault"),
    [
        ("core.clock", "import numpy", "core imports numpy"),
        ("core.clock", "def f():\n    import numpy", "core imports numpy"),
        ("core.clock", "from tunesmith.samples.fetch import fetch", "core imports tunesmith.samples.fetch.fetch"),
        ("samples.fetch", "import requests", "samples imports requests"),
        ("data.rows", "from tunesmith.model.build import build", "data imports tunesmith.model.build.build"),
        ("data.rows", "if TYPE_CHECKING:\n    from tunesmith import engine", "data imports tunesmith.engine"),
        ("data.rows", "def f():\n    import tunesmith.run", "data imports tunesmith.run"),
        ("data.rows", "importlib.import_module('tunesmith.tasks.chat')", "data imports tunesmith.tasks.chat"),
        ("data.rows", "from . import split", "a relative import"),
        ("data.rows", "from tunesmith import train", "data imports tunesmith.train"),
        ("strategies.sam", "from tunesmith.strategies.clip import Clip", "one of the strategies imports another"),
        ("tasks.text", "from tunesmith.tasks import text_pair", "one of the tasks imports another"),
        ("tasks.chat", "from tunesmith.strategies.clip import Clip", "tasks imports tunesmith.strategies.clip.Clip"),
        ("engine.loop", "from tunesmith.tasks.chat import Chat", "engine imports tunesmith.tasks.chat.Chat"),
        ("engine.loop", "from tunesmith.report.page import page", "engine imports tunesmith.report.page.page"),
        ("recipes.find", "from tunesmith.run import train", "recipes imports tunesmith.run.train"),
        ("run", "from tunesmith.cli.app import app", "run imports tunesmith.cli.app.app"),
        ("extras.new", "import os", "extras has no layer"),
    ],
)
def test_an_import_that_points_elsewhere_is_caught(importer: str, text: str, fault: str) -> None:
    assert fault in "\n".join(layers.layer_faults(module(f"tunesmith.{importer}", text)))


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("core.run", "import torch, hashlib\nfrom tunesmith.core import clock"),
        ("samples.fetch", "from tunesmith.core.errors import ResourceError\ndef f():\n    import pyarrow"),
        ("strategies.sam", "from tunesmith.core.loss import Loss\nfrom tunesmith.model.surgery import matching"),
        ("engine.loop", "import numpy\nfrom tunesmith.engine.stack import Stack"),
        ("recipes.find", "import tunesmith\nfrom tunesmith import __version__\nfrom tunesmith.tasks.chat import Chat"),
        ("cli.app", "from tunesmith.studies.search import search"),
    ],
)
def test_an_import_that_points_downward_passes(importer: str, text: str) -> None:
    assert list(layers.layer_faults(module(f"tunesmith.{importer}", text))) == []


@pytest.mark.parametrize("text", ["from tunesmith.data.b import g", "def f():\n    from tunesmith.data import b"])
def test_a_circle_is_caught(text: str) -> None:
    there = module("tunesmith.data.a", text)
    back = module("tunesmith.data.b", "if TYPE_CHECKING:\n    from tunesmith.data.a import f")
    assert set(layers.cycle([there, back])) == {"tunesmith.data.a", "tunesmith.data.b"}
    assert layers.cycle([there, module("tunesmith.data.b", "import tunesmith")]) == []


def undeclared(file: Source, always: Collection[str], sometimes: Collection[str]) -> list[str]:
    """Imports of packages that an installation lacks; what it has only ``sometimes`` may be imported in functions."""
    packages, ours, faults = installed(), own_modules(), []
    for found in layers.imports(file):
        names = {plain(name) for name in packages.get(found.top, [found.top])}
        if found.top not in {*sys.stdlib_module_names, *ours} and not names & {*always, *(() if found.eager else sometimes)}:
            faults.append(
                file.at(found.line, f"{found.top} is not among the dependencies {'' if found.eager else 'or extras '}in pyproject.toml")
            )
    return faults


@cache
def installed() -> Mapping[str, list[str]]:
    """Which distributions each top-level package is of."""
    return packages_distributions()


@cache
def own_modules() -> set[str]:
    """The modules and folders of tests, benchmarks and docs, and tunesmith."""
    files = [path for folder in ("tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*") if path.suffix in ("", ".py")]
    return {"tunesmith", *(path.stem for path in files)}


def plain(requirement: str) -> str:
    """The name in a requirement, as package indexes compare names: ``ruamel.yaml>=0.18`` is ``ruamel-yaml``."""
    return re.sub(r"[-_.]+", "-", re.split(r"[ <>=~!;\[]", requirement)[0]).lower()


def declared(*extras: str) -> set[str]:
    """What an installation has, with the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {plain(requirement) for group in groups for requirement in group}


def test_every_import_of_the_package_is_declared() -> None:
    always, sometimes = declared(), declared("hub", "pandas", "images", "audio", "chinese", "quantized", "search", "serve")
    source.report(fault for file in source.package() for fault in undeclared(file, always, sometimes))


def test_every_import_of_the_tools_is_declared() -> None:
    always, sometimes = declared("dev"), declared("bench")
    tools = [
        file for file in source.python("tests", "docs", "benchmarks") if "reference" not in file.path.parts
    ]  # those say what they need
    source.report(fault for file in tools for fault in undeclared(file, always, sometimes))


def test_an_undeclared_import_is_caught() -> None:
    file = module("tunesmith.data.rows", "import yaml\nimport pandas\ndef f():\n    import pandas")
    assert [fault.split(": ")[1].split()[0] for fault in undeclared(file, {"torch"}, {"pandas"})] == ["yaml", "pandas"]


def test_every_dependency_has_one_exact_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    pinned = [plain(line) for line in lines]
    assert sorted(set(pinned)) == sorted(pinned)
    assert declared("dev", "hub", "pandas") - set(pinned) == set()
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton"))], "constraints.txt is for every machine"
