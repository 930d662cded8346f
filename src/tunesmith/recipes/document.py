"""A recipe as it is written: plain values, the place of each, and everything that is wrong with them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, is_dataclass
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.recipes.find import did_you_mean, names

Keys = tuple[str | int, ...]
PARTS = ("stages", "sequence", "tasks")  # keys that hold recipes of their own
AUTO = "auto"  # in place of the list of strategies: they are to be chosen

_FOLDER_NAME = re.compile(r"\w[\w .+-]*")


@dataclass(frozen=True)
class Place:
    """Where a value was written: in a file, or in an override, which has no lines."""

    file: str = ""
    line: int = 0
    column: int | str = ""

    @property
    def override(self) -> bool:
        """Whether it is an override of the command line, which stands in ``file``."""
        return bool(self.file) and not self.line


@dataclass
class Document:
    """The values of a recipe by key, nested as they were written.

    ``places``    where a value stands, by its keys; what has no place stands where its parent does
    ``spelled``   how a value was called by the user, where that differs from its keys
    ``problems``  what is wrong so far; ``finish`` raises them all at once
    """

    value: dict[str, Any]
    places: dict[Keys, Place] = field(default_factory=dict)
    spelled: dict[Keys, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.value = _copied(self.value)
        for key in PARTS:
            if isinstance(entries := self.value.get(key), list):
                self.value[key] = [_copied(entry) for entry in entries]
        self.tidy()

    def tidy(self) -> None:
        """Bring the task, data, every strategy and auto to one form, ``{name: {settings}}``. What cannot be brought to it stays."""
        if self.value.get("strategies") is None:
            self.value["strategies"] = []
        for part in (self.value, *(entry for key in PARTS for entry in _entries(self.value.get(key)))):
            if "task" in part:
                part["task"] = _entry(part["task"])
            if _is_rows(part.get("data")):
                part["data"] = {"train": part["data"]}
            strategies = part.get("strategies")
            if isinstance(strategies, list | tuple):
                part["strategies"] = [_entry(strategy) for strategy in strategies]
            elif strategies == AUTO or (isinstance(strategies, Mapping) and list(strategies) == [AUTO]):
                part["strategies"] = _entry(strategies)

    def place(self, keys: Keys) -> Place:
        """The place of a value, or of the nearest thing around it."""
        around = (self.places[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in self.places)
        return next(around, Place())

    def name(self, keys: Keys) -> str:
        """How to call a value in a message: ``training.epochs``."""
        return self.spelled.get(keys) or ".".join(map(str, keys)) or "the recipe"

    def refuse(self, keys: Keys, message: str, remedy: str = "") -> None:
        """Write down that a value cannot be used; every check goes on after it."""
        place = self.place(keys)
        self.problems.append(Problem(message, remedy, place.file, place.line, place.column))

    def check_name(self, name: Any) -> None:
        """Refuse a name that cannot be that of a run's folder; none at all can."""
        if name and not (isinstance(name, str) and _FOLDER_NAME.fullmatch(name)):
            self.refuse(("name",), f"'{name}' cannot be the name of a folder", "Use letters, digits and - _ .")

    def finish(self) -> None:
        """Raise ``InputError`` with every problem, in the order of the file, if there is one."""
        if self.problems:
            raise InputError(*sorted(self.problems, key=lambda problem: (problem.file, problem.line, int(problem.column or 0))))

    def locate(self, dotted: Sequence[str]) -> Keys:
        """The keys that a user means: strategies may be called by name, and the names of the task and of a numbered strategy left out.

        Raises ``LookupError`` with a message and a remedy where there is no such thing.
        """
        top, *rest = dotted
        if top in PARTS and len(rest) > 1:
            return (top, *_plain(rest[:1]), *self._part(top, rest[0]).locate(rest[1:]))
        within = {"task": self._of_task, "strategies": self._of_strategies}
        return (top, *(within[top](rest) if rest and top in within else _plain(rest)))

    def _part(self, top: str, which: str) -> Document:
        """A stage, or a task, as a document of its own; an empty one where there is none."""
        parts = self.value.get(top)
        part = parts[int(which)] if isinstance(parts, list) and which.isdecimal() and int(which) < len(parts) else None
        part = parts.get(which) if isinstance(parts, dict) else part
        return Document(part if isinstance(part, dict) else {})

    def _of_task(self, rest: Sequence[str]) -> Keys:
        return tuple(_named(self.value.get("task"), rest))

    def _of_strategies(self, rest: Sequence[str]) -> Keys:
        if self.auto and rest[0] != AUTO:
            raise LookupError("The strategies are chosen by auto", "Write them as a list; tunesmith advise makes one")
        if self.auto:
            return tuple(rest)
        index, inner = (int(rest[0]), rest[1:]) if rest[0].isdecimal() else (self._index(rest[0]), rest)
        return (index, *(_named(_inside(self.value["strategies"], index), inner) if inner else ()))

    def put(self, keys: Keys, value: Any, place: Place) -> None:
        """Set a value; mappings on the way are made where they are missing. Raises ``LookupError``, as ``locate`` does."""
        _set(self.inside(keys[:-1]), keys[-1], value)
        self.places = {k: p for k, p in self.places.items() if k[: len(keys)] != keys}
        for end in range(1, len(keys) + 1):
            self.places.setdefault(keys[:end], place)
        self.tidy()

    def inside(self, keys: Keys) -> Any:
        """What stands there; mappings on the way are made where they are missing. Raises ``LookupError``."""
        box: Any = self.value
        for key in keys:
            box = _inside(box, key)
        return box

    def give_way(self, keys: Keys, names: Set[str]) -> None:
        """Take out the neighbours ``names`` of a value that is going to be put at ``keys``, but for those that were put so themselves."""
        for name in names:
            if not self.place((*keys[:-1], name)).override:
                del self.inside(keys[:-1])[name]

    @property
    def auto(self) -> bool:
        """Whether the strategies are to be chosen."""
        return isinstance(self.value["strategies"], dict) and AUTO in self.value["strategies"]

    def prepend(self, strategy: dict[str, Any], place: Place) -> None:
        """Make ``strategy`` the outermost one, where there is a list of them."""
        if not isinstance(self.value["strategies"], list):
            return
        self.value["strategies"] = [strategy, *self.value["strategies"]]
        self.places = {
            ("strategies", int(keys[1]) + 1, *keys[2:]) if keys[0:1] == ("strategies",) and len(keys) > 1 else keys: where
            for keys, where in self.places.items()
        }
        self.places["strategies", 0] = place

    def holds(self, keys: Keys) -> bool:
        """Whether the recipe has a value there."""
        box: Any = self.value
        for key in keys:
            if not isinstance(box, dict) or key not in box:
                return False
            box = box[key]
        return True

    def strategies(self) -> Iterator[tuple[int, str]]:
        """The place in the list and the name of every strategy that is written by name."""
        for index, entry in enumerate(self.value["strategies"] if isinstance(self.value["strategies"], list) else ()):
            if isinstance(entry, dict) and len(entry) == 1:
                yield index, str(next(iter(entry)))

    def _index(self, name: str) -> int:
        found = [index for index, strategy in self.strategies() if strategy == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise LookupError(f"The recipe has {len(found)} strategies '{name}'", f"Use the number: strategies.{found[0]}.{name}")
        if near := difflib.get_close_matches(name, [strategy for _, strategy in self.strategies()], n=1):
            raise LookupError(f"The recipe has no strategy '{name}'", f"Did you mean {near[0]}?")
        if name not in names("strategies"):
            raise LookupError(f"There is no strategy '{name}'", did_you_mean(name, names("strategies")))
        raise LookupError(f"The recipe has no strategy '{name}'", "Add it to the list under strategies")


def _plain(rest: Sequence[str]) -> Keys:
    return tuple(int(key) if key.isdecimal() else key for key in rest)


def _copied(value: Any) -> Any:
    """A copy of mappings, with texts as keys, and of lists, but not of what is in a list: it may be a million rows."""
    if isinstance(value, Mapping):
        return {str(key): _copied(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, list) else value


def _entry(written: Any) -> Any:
    if isinstance(written, str):
        return {written: {}}
    if isinstance(written, Mapping) and len(written) == 1:
        return {str(name): {} if settings is None else _copied(settings) for name, settings in written.items()}
    return written


def _entries(written: Any) -> list[dict[str, Any]]:
    """The mappings among the tasks or stages of a recipe."""
    entries = written.values() if isinstance(written, dict) else written if isinstance(written, list) else ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _is_rows(data: Any) -> bool:
    """Whether ``data`` are rows to learn from, or where they are, rather than settings."""
    return not (data is None or isinstance(data, Mapping | int | float) or is_dataclass(data))


def _named(entry: Any, rest: Sequence[str]) -> Sequence[str]:
    """The keys within an entry ``{name: {settings}}``, the name first."""
    if not isinstance(entry, dict) or len(entry) != 1:
        raise LookupError("There is nothing here whose settings could be changed", "Write the entry first")
    return rest if rest[0] in entry else (*entry, *rest)


def _inside(box: Any, key: str | int) -> Any:
    if isinstance(box, list) and isinstance(key, int) and key < len(box):
        return box[key]
    if isinstance(box, dict):
        if box.get(str(key)) is None:
            box[str(key)] = {}
        return box[str(key)]
    raise LookupError(f"There is nothing at '{key}'", "Correct the path of the key")


def _set(box: Any, key: str | int, value: Any) -> None:
    if isinstance(box, list) and isinstance(key, int) and key < len(box):
        box[key] = value
    elif isinstance(box, dict):
        box[str(key)] = value
    else:
        raise LookupError(f"There is nothing at '{key}'", "Correct the path of the key")
