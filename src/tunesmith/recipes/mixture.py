"""Recipes of several tasks: what each says beside its task and its data, and the rule by which their rows are drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import Problem
from tunesmith.core.setting import setting
from tunesmith.recipes.document import Document, Keys
from tunesmith.recipes.entries import strategies_of
from tunesmith.recipes.find import did_you_mean, name_of
from tunesmith.recipes.foreseen import refuse
from tunesmith.recipes.stages import MEMBERSHIP
from tunesmith.recipes.validate import build

if TYPE_CHECKING:
    from tunesmith.core.strategy import Strategy
    from tunesmith.data.mixing import Mixing

_NAME = re.compile(r"\w[\w-]*")  # it becomes the name of a folder
JUDGES = ("validation", "test", "tests")  # data that an auxiliary task has no use for


@dataclass
class Membership:
    """What a task of several is told beside its task and its data."""

    weight: float = setting(1.0, "what its loss weighs beside those of the other tasks", above=0)
    auxiliary: bool = setting(False, "whether it is learned to help the others, and neither judged nor exported")
    same_pass_as: str | None = setting(None, "the task whose passes through the layers it learns from: both have the same texts")
    strategies: list[Any] = setting(factory=list, text="strategies of its own, which change its rows and its loss alone")


def memberships(document: Document) -> dict[str, Membership]:
    """What each task under ``tasks`` is told. What is wrong is written into ``document``."""
    entries = {name: entry for name, entry in document.value["tasks"].items() if isinstance(entry, Mapping)}
    found: dict[str, Membership] = {}
    for name, entry in entries.items():
        if not _NAME.fullmatch(name):
            document.refuse(("tasks", name), f"'{name}' cannot be the name of a task", "Use letters, digits, - and _")
        given = {key: value for key, value in entry.items() if key in MEMBERSHIP and key != "strategies"}
        membership = build(Membership, given, document, ("tasks", name))
        if membership is None:
            continue
        found[name] = membership
        membership.strategies = _own(entry.get("strategies") or [], document, ("tasks", name, "strategies"))
        data = entry.get("data")
        for key in JUDGES if membership.auxiliary else ():
            if isinstance(data, Mapping) and data.get(key) is not None and not (key == "tests" and not data[key]):
                keys = ("tasks", name, "data", key)
                document.refuse(keys, f"{document.name(keys)} is not read: the task is auxiliary", "Take it out, or auxiliary")
    for name, membership in found.items():
        _check_shared(name, membership.same_pass_as, found, document)
        other = membership.same_pass_as or next((guest for guest, own in found.items() if own.same_pass_as == name), "")
        if membership.strategies and other:
            message = f"{name} shares its passes with {other}, and what changes one of them would change the other"
            document.refuse(("tasks", name, "strategies"), message, "Take out same_pass_as, or the strategies")
    if found and len(found) == len(entries) and all(membership.auxiliary for membership in found.values()):
        document.refuse(("tasks",), "every task is auxiliary, so nothing would be judged and exported", "Leave auxiliary out of one")
    return found


def _own(entries: Any, document: Document, keys: Keys) -> list[Strategy]:
    """The strategies of one task. What is for all tasks or none is written into ``document``."""
    from tunesmith.core.mixture import MAY_OFFER  # brings torch
    from tunesmith.engine.of_task import is_for_one

    strategies, watching = strategies_of(entries, document, {}, keys)
    for part in (*watching, *(part for part in strategies if not is_for_one(part))):
        message = f"'{name_of(part)}' does not change the rows or the loss of one task, but the training of all"
        remedy = "Write it under strategies at the top" if part.needs <= MAY_OFFER else "Train the task in a run of its own for it"
        refuse(document, Problem(message, remedy, key=part._key))
    return strategies


def _check_shared(name: str, host: str | None, found: Mapping[str, Membership], document: Document) -> None:
    """Write into ``document`` why a task cannot learn from the passes of ``host``."""
    if host is None:
        return
    keys, others = ("tasks", name, "same_pass_as"), [other for other in found if other != name and not found[other].same_pass_as]
    if host not in document.value["tasks"]:
        document.refuse(keys, f"There is no task '{host}' whose passes {name} could share", did_you_mean(host, others))
    elif host not in others:
        why = "it is that task itself" if host == name else f"{host} is wrong itself, or shares those of another"
        remedy = f"Name one of {', '.join(others)}" if others else "Take it out"
        document.refuse(keys, f"{name} cannot share the passes of {host}: {why}", remedy)


def mixing_of(document: Document) -> Mixing | None:
    """The rule under ``mixing``. What is wrong is written into ``document``."""
    from tunesmith.data.mixing import Mixing

    given: Any = document.value.get("mixing")
    mixing = build(Mixing, {} if given is None else given, document, ("mixing",))
    if mixing is None or mixing.by != "weights":
        return mixing
    tasks = document.value["tasks"]
    guests = {name: entry["same_pass_as"] for name, entry in tasks.items() if isinstance(entry, Mapping) and entry.get("same_pass_as")}
    for name in mixing.weights.keys() - tasks.keys():
        document.refuse(("mixing", "weights", name), f"There is no task '{name}' to weigh", did_you_mean(name, tasks))
    for name in mixing.weights.keys() & guests.keys():
        message = f"mixing.weights.{name} is not read: it learns from the passes of {guests[name]}"
        document.refuse(("mixing", "weights", name), message, "Take it out, or same_pass_as")
    for name in tasks.keys() - mixing.weights.keys() - guests.keys():
        document.refuse(("mixing", "weights"), f"mixing.weights says nothing of task {name}", f"Add {name}: a share above 0")
    return mixing


def single_task(document: Document) -> bool:
    """Whether each task is trained alone too. What is wrong is written into ``document``."""
    given = document.value.get("single_task")
    if not isinstance(given, bool | None):
        document.refuse(("single_task",), f"single_task must be on or off, not {given}", "Write single_task: true")
    return given is True
