"""Discovery: every file in ``tasks/`` and ``strategies/`` is one task or one strategy, known by the name of its file."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import tunesmith
from tunesmith.core.errors import InputError, Problem

Folder = Literal["strategies", "tasks"]
_SINGULAR = {"strategies": "strategy", "tasks": "task"}


def names(folder: Folder) -> list[str]:
    """The names that ``find`` knows, sorted. Imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules([str(_path(folder))]) if not module.name.startswith("_"))


def find(folder: Folder, name: str) -> type[Any]:
    """The class of a name: ``find("strategies", "layer_rates")`` is ``LayerRates``. Observers live among the strategies.

    Raises ``InputError`` for a name that is no file of the folder.
    """
    if name not in names(folder):
        raise InputError(Problem(f"There is no {_SINGULAR[folder]} '{name}'", did_you_mean(name, names(folder))))
    module = importlib.import_module(f"tunesmith.{folder}.{name}")
    for title, member in inspect.getmembers(module, inspect.isclass):
        if member.__module__ == module.__name__ and _same(title, name):
            return member
    raise AssertionError(f"{module.__name__} holds no class named like its file")


def about(folder: Folder, name: str) -> str:
    """The first line of a class's docstring. The file is parsed, not imported."""
    tree = ast.parse((_path(folder) / f"{name}.py").read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and _same(node.name, name))
    return next(((ast.get_docstring(node) or "").partition("\n")[0] for node in classes), "")


def name_of(part: object) -> str:
    """The name under which a recipe knows a task, strategy or observer; ``module:Class`` for those of the user's own."""
    module, _, file = type(part).__module__.rpartition(".")
    return file if module in {"tunesmith.tasks", "tunesmith.strategies"} else f"{type(part).__module__}:{type(part).__qualname__}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for a word that is not known: the nearest ones, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.65)
    return f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known) or 'none'}"


def _path(folder: Folder) -> Path:
    return Path(tunesmith.__path__[0]) / folder


def _same(title: str, name: str) -> bool:
    return title.lower() == name.replace("_", "").lower()
