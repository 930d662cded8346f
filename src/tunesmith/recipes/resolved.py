"""A recipe as YAML, from which an equal one is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any

from tunesmith.model.parts import parts_of
from tunesmith.recipes import stages, yaml
from tunesmith.recipes.auto import undecided
from tunesmith.recipes.document import Keys
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.validate import as_plain, plain

ROWS = ("data", "tests")  # keys of mappings that may hold rows


def resolved(recipe: Recipe) -> str:
    """The recipe as YAML with every setting that is read, defaults among them. It reads back to an equal recipe."""
    return yaml.write(tree(recipe))


def shortened(recipe: Recipe) -> str:
    """The recipe as YAML without the settings that have their defaults. It reads back to an equal recipe."""
    short = tree(recipe, changed_only=True)
    return yaml.write({key: value for key, value in short.items() if value not in ({}, []) and (key, value) != ("baselines", True)})


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256 of what the recipe computes: its name and the folder that it lies in do not count."""
    own = {key: value for key, value in tree(recipe).items() if key not in ("name", "base_folder")}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def tree(recipe: Recipe, changed_only: bool = False) -> dict[str, Any]:
    """The recipe by its keys. With ``changed_only``, settings that have their defaults are left out.

    Each part of several has its own settings. Where a search varies keys, they stand where they were given, since that is where it puts
    its values.
    """
    own = _given if recipe.search and (recipe.stages or recipe.tasks) else _stages if recipe.stages else _tasks if recipe.tasks else _one
    return {
        "name": recipe.name,
        "model": parts_of(recipe.model) or recipe.model,
        **own(recipe, changed_only),
        **({"search": as_plain(recipe.search, changed_only)} if recipe.search else {}),
        **({"ensemble": as_plain(recipe.ensemble)} if recipe.ensemble else {}),
        "seed": recipe.seed,
        "baselines": recipe.baselines,
        "base_folder": str(recipe.base_folder),
    }


def _one(recipe: Recipe, changed_only: bool) -> dict[str, Any]:
    strategies: Any = _entries([*recipe.strategies, *recipe.watch], changed_only)
    training = as_plain(recipe.training, changed_only)
    if recipe.auto:
        strategies, training = undecided(recipe.auto, recipe.training, changed_only)
    training.pop("seed", None)
    return {
        "task": {name_of(recipe.task): as_plain(recipe.task, changed_only)},
        "data": as_plain(recipe.data, changed_only),
        "strategies": strategies,
        "training": training,
    }


def _entries(parts: Sequence[Any], changed_only: bool) -> list[dict[str, Any]]:
    return [{name_of(part): as_plain(part, changed_only)} for part in parts]


def _stages(recipe: Recipe, changed_only: bool) -> dict[str, Any]:
    key = "sequence" if recipe.sequence else "stages"
    parts = [{"name": stage.name, **_one(stage, changed_only)} for stage in recipe.stages]
    task = {"task": parts[0]["task"]} if recipe.sequence else {}
    task |= {"routing": as_plain(recipe.routing)} if recipe.routing else {}
    return {**task, key: [{name: part[name] for name in stages.OWN[key]} for part in parts]}


def _tasks(recipe: Recipe, changed_only: bool) -> dict[str, Any]:
    own = _one(recipe, changed_only)
    tasks = {}
    for name, part in recipe.tasks.items():
        membership = as_plain(replace(part.membership, strategies=[]), changed_only)
        of_its_own = {"strategies": _entries(part.membership.strategies, changed_only)}
        told = {**_one(part, changed_only), **membership, **of_its_own}
        tasks[name] = {key: value for key, value in told.items() if key in stages.OWN["tasks"] and (key, value) != ("strategies", [])}
    rules = {"mixing": as_plain(recipe.mixing, changed_only), **({"single_task": True} if recipe.single_task else {})}
    return {"tasks": tasks, **rules, **{key: own[key] for key in ("strategies", "training")}}


def _given(recipe: Recipe, changed_only: bool) -> dict[str, Any]:
    assert recipe.search is not None
    whole: dict[str, Any] = as_given(recipe.search.given)
    return whole


def as_given(value: Any, keys: Keys = ()) -> Any:
    """What was given as a recipe as YAML has it: an object by its settings, and rows in memory as a text that says so."""
    if is_dataclass(value):
        own = {name: setting for name, setting in as_plain(value, changed_only=True).items() if name != "seed"}
        return {name_of(value): own} if keys[-1] == "task" or "strategies" in keys else own
    if isinstance(value, Mapping):
        return {name: as_given(inner, (*keys, name)) for name, inner in value.items()}
    if keys[-2:-1] and keys[-2] in ROWS:
        return plain(value, Any)
    if isinstance(value, list | tuple):
        return [as_given(item, (*keys, place)) for place, item in enumerate(value)]
    return plain(value, None)
