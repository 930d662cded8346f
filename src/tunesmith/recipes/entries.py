"""Entries of a recipe that stand for an object: a task, a strategy or an observer, by its name or as the object itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import InputError
from tunesmith.model.parts import as_spec, known
from tunesmith.recipes.document import AUTO, Document, Keys
from tunesmith.recipes.find import Folder, did_you_mean, find, name_of, names
from tunesmith.recipes.homes import home
from tunesmith.recipes.validate import build

if TYPE_CHECKING:
    from tunesmith.core.observer import Observer
    from tunesmith.core.strategy import Strategy


def strategies_of(
    entries: Any, document: Document, levels: Mapping[str, set[str]], keys: Keys = ("strategies",)
) -> tuple[list[Strategy], list[Observer]]:
    """The strategies that are listed under ``keys``, and the observers among them."""
    from tunesmith.core.observer import Observer

    if not isinstance(entries, list):
        what = "a list, or auto" if keys == ("strategies",) else "a list"
        document.refuse(keys, f"{document.name(keys)} must be {what}", "Write each on its own line: - freeze: {layers: 4}")
        return [], []
    parts = [part_of("strategies", entry, document, (*keys, index), levels) for index, entry in enumerate(entries)]
    for index, part in enumerate(parts):
        if part:
            part._key = ".".join(map(str, (*keys, index, name_of(part))))
    return [part for part in parts if part and not isinstance(part, Observer)], [part for part in parts if isinstance(part, Observer)]


def part_of(folder: Folder, entry: Any, document: Document, keys: Keys, levels: Mapping[str, set[str]]) -> Any:
    """A task, strategy or observer from ``{name: {settings}}`` or from an object. None where something is wrong."""
    from tunesmith.core.observer import Observer
    from tunesmith.core.strategy import Strategy
    from tunesmith.core.task import Task

    kinds: tuple[type, ...] = (Task,) if folder == "tasks" else (Strategy, Observer)
    if isinstance(entry, kinds):
        if is_dataclass(entry):
            return build(type(entry), entry, document, keys)
        document.refuse(keys, f"{type(entry).__name__} is no dataclass", "Write @dataclass above it: its fields are its settings")
        return None
    if not isinstance(entry, dict) or len(entry) != 1:
        document.refuse(keys, f"{document.name(keys)} must be a name or name: {{settings}}", f"Known: {', '.join(names(folder))}")
        return None
    ((name, settings),) = entry.items()
    if ":" in name:
        document.refuse(keys, f"'{name}' is code of your own, which no recipe file may run", "Give the object to tunesmith.train in Python")
        return None
    try:
        kind = find(folder, name)
    except InputError as error:
        remedy = "Write strategies: auto, without a list" if name == AUTO else error.problems[0].remedy
        document.refuse((*keys, name), error.problems[0].message, remedy)
        return None
    return build(kind, settings, document, (*keys, name), home("under task", levels) if folder == "tasks" else did_you_mean)


def model_of(written: str | dict[str, str], document: Document) -> str:
    """A model, or two by role, as one text."""
    if isinstance(written, dict):
        try:
            return as_spec(written)
        except ValueError as error:
            document.refuse(("model",), f"model: {error}", f"Write one model, or {known()}")
            return ""
    return written
