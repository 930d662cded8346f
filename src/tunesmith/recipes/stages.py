"""Recipes of several parts, stages or tasks: each part as a recipe of its own, from what it says itself and what stands at the top."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.engine.settings import Training
from tunesmith.recipes.document import Document, Keys
from tunesmith.recipes.find import did_you_mean

OWN = {  # the keys under which parts are listed, and what a part may say
    "stages": ("name", "task", "data", "strategies", "training"),
    "sequence": ("name", "data", "strategies", "training"),
    "tasks": ("task", "data", "strategies", "weight", "auxiliary", "same_pass_as"),
}
ELSEWHERE = {"sequence": {"task": "A sequence has one task: write it at the top, or list the parts under stages"}}
TOP = "It holds for all of them: write it at the top"
MERGED = ("data", "training")  # of which a part takes over what it does not say
MEMBERSHIP = ("strategies", "weight", "auxiliary", "same_pass_as")  # what a task of several says beside its task and its data
ALONE = {"mixing": "tasks", "single_task": "tasks", "routing": "sequence"}  # what stands at the top and is for one kind of recipe alone
STUDIES = ("search", "ensemble")  # many runs of a whole recipe
NAMED = ("tasks",)  # whose parts stand under names of their own
FORM = {  # what each must be, and how it is written
    "stages": ("a list of at least one stage", "Write each on its own line: - data: {train: FILE}"),
    "sequence": ("a list of at least one stage", "Write each on its own line: - data: {train: FILE}"),
    "tasks": ("a mapping of at least one task", "Write each under a name: topics: {task: text_classification, data: {train: FILE}}"),
}

LACKS = {  # kind of recipe -> what another one has not, and how it is written
    "tasks": ("not several tasks", "tasks: {NAME: {task: ..., data: ...}}"),
    "sequence": ("no sequence", "sequence: [{name: NAME, data: ...}]"),
}


def refuse_alone(document: Document) -> None:
    """Refuse what stands in the recipe of one task and is for several alone."""
    for key, of in ALONE.items():
        if document.value.get(key) is not None:
            why, remedy = LACKS[of]
            document.refuse((key,), f"{key} is not read: the recipe has {why}", f"Take it out, or write {remedy}")


def listed(document: Document) -> str:
    """``stages``, ``sequence`` or ``tasks`` where the recipe has one of them, else nothing. Two at once are a problem."""
    found = [key for key in OWN if key in document.value]
    if len(found) > 1:
        message = f"{found[0]} and {found[1]} exclude each other"
        document.refuse((found[1],), message, "Keep one: stages come in turn, a sequence is stages of one task, tasks are learned together")
    return found[0] if found else ""


def split(document: Document, key: str) -> list[Document]:
    """The recipe of each part as a document whose values stand where they were written. What is wrong is written into ``document``."""
    entries = document.value[key]
    if not isinstance(entries, Mapping if key in NAMED else list | tuple) or not entries:
        document.refuse((key,), f"{key} must be {FORM[key][0]}", FORM[key][1])
        return []
    numbered = list(entries.items() if isinstance(entries, Mapping) else enumerate(entries))
    for _, entry in numbered:
        if isinstance(entry, Mapping) and "model" in entry:  # it is refused where it stands, and is missing nowhere then
            document.value.setdefault("model", entry["model"])
    parts = [part for place, entry in numbered if (part := _part(document, key, place, entry))]
    for keys in _unread(document, key, [entry for _, entry in numbered if isinstance(entry, Mapping)]):
        path = ".".join(map(str, (key, numbered[0][0], *keys)))
        document.refuse(keys, f"{document.name(keys)} is not read: each part has its own", f"Take it out, or set {path}")
    return parts


def _part(document: Document, key: str, place: str | int, entry: Any) -> Document | None:
    """One part; None where it is none."""
    if not isinstance(entry, Mapping):
        document.refuse((key, place), f"{key}.{place} must be a mapping of keys", f"It may have {', '.join(OWN[key])}")
        return None
    own = {name: value for name, value in entry.items() if name in OWN[key]}
    for name in entry:
        if name not in own:
            known = {*document.value, "model", "seed", "baselines", "base_folder", "strategies", "training"}
            remedy = ELSEWHERE.get(key, {}).get(name) or (TOP if name in known else did_you_mean(str(name), OWN[key]))
            document.refuse((key, place, name), f"There is no setting '{name}' in {key}.{place}", remedy)
    own = {name: value for name, value in own.items() if key not in NAMED or name not in MEMBERSHIP}
    whole = [name for name, of in ALONE.items() if of == key]
    shared = {name: value for name, value in document.value.items() if name not in (*OWN, *STUDIES, *whole, "name")}
    if "strategies" in own and own["strategies"] is None:
        own["strategies"] = []
    merged = {**shared, **own}
    for name in MERGED:
        if isinstance(shared.get(name), Mapping) and isinstance(own.get(name), Mapping):
            gone = superseded(shared[name], own[name])
            merged[name] = {**{left: value for left, value in shared[name].items() if left not in gone}, **own[name]}
    merged["name"] = place if key in NAMED else own.get("name") or called(merged, key)
    part = Document(merged)
    replaced = {*OWN, *_whole(own)}
    part.places = {keys: place for keys, place in document.places.items() if not keys or keys[0] not in replaced}
    part.places[()] = document.place((key, place))
    for keys in _paths(own):
        part.places[keys] = document.place((key, place, *keys))
        part.spelled[keys] = ".".join(map(str, (key, place, *keys)))
    return part


def called(part: Mapping[str, Any], key: str) -> str:
    """What a stage without a name is called: by its data in a sequence, else by its task."""
    task, data = part.get("task"), part.get("data")
    train = data.get("train") if isinstance(data, Mapping) else None
    name = Path(train.partition("/")[2] or train).stem if key == "sequence" and isinstance(train, str) else ""
    name = name or (str(next(iter(task))) if isinstance(task, Mapping) and task else task if isinstance(task, str) else "")
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "stage"


def superseded(shared: Mapping[str, Any], own: Mapping[str, Any]) -> set[str]:
    """The settings of training in ``shared`` that those in ``own`` take the place of, as steps does of epochs."""
    pairs = [
        (mine, gone, own.get(mine) not in read if mine == other else shared.get(other) not in (*read, None))
        for name, (other, read) in Training.applies.items()
        for mine, gone in ((other, name), (name, other))
    ]
    return {gone for mine, gone, excludes in pairs if mine in own and gone in shared and gone not in own and excludes}


def _whole(own: Mapping[str, Any]) -> list[str]:
    """The keys of a stage that replace what stands at the top."""
    return [name for name in own if name not in MERGED]


def _paths(value: Any, around: Keys = ()) -> list[Keys]:
    """The keys of everything within nested mappings and lists of mappings."""
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if around[:1] == ("strategies",) and _is_list(value) else ()
    return [keys for name, item in inner for keys in ((*around, name), *_paths(item, (*around, name)))]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _unread(document: Document, key: str, entries: list[Mapping[str, Any]]) -> list[Keys]:
    """What stands at the top and every stage says itself."""
    whole = [name for name in ("task", "strategies") if document.value.get(name) and all(name in entry for entry in entries)]
    found: list[Keys] = [(name,) for name in whole if name in OWN[key] and (key not in NAMED or name not in MEMBERSHIP)]
    for name in MERGED:
        top = document.value.get(name)
        owned = [entry.get(name) for entry in entries]
        if isinstance(top, Mapping):
            found += [(name, inner) for inner in top if all(isinstance(own, Mapping) and inner in own for own in owned)]
    return found
