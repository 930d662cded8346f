"""Where a setting belongs: the remedy for a key that is not known where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields
from typing import Any

from tunesmith.data.settings import DataSettings
from tunesmith.engine.settings import Training
from tunesmith.recipes.aliases import RENAMED, spellings
from tunesmith.recipes.find import did_you_mean, find, names
from tunesmith.recipes.validate import Remedy


def levels(task: Any, top: Set[str]) -> dict[str, set[str]]:
    """Which settings are written where, in a recipe for ``task`` as it is written; ``top`` are those at the top."""
    known = isinstance(task, dict) and len(task) == 1 and next(iter(task)) in names("tasks")
    return {
        "at the top": set(top),
        "under training": {f.name for f in fields(Training)} | {key for key in spellings() if RENAMED.get(key) != f"task.{key}"},
        "under data": {f.name for f in fields(DataSettings)},
        "under task": {f.name for f in fields(find("tasks", next(iter(task))))} if known else set(),
        "under strategies": set(names("strategies")),
    }


def home(here: str, levels: Mapping[str, set[str]]) -> Remedy:
    """What to do about a key that is not known ``here``: it belongs elsewhere, or is spelled a little differently."""

    def remedy(word: str, known: Iterable[str]) -> str:
        own, known = set(known), levels.get(here, set(known))
        elsewhere = {level: keys for level, keys in levels.items() if level != here}
        home = next((level for level, keys in elsewhere.items() if word in keys), None)
        if home:
            return f"It belongs {home}"
        if difflib.get_close_matches(word, known, cutoff=0.65):
            return did_you_mean(word, known)
        near = {match: level for level, keys in elsewhere.items() for match in difflib.get_close_matches(word, keys, n=1, cutoff=0.85)}
        return next((f"Did you mean {match}? It belongs {level}" for match, level in near.items()), did_you_mean(word, own))

    return remedy
