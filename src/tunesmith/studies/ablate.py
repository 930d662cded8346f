"""What each strategy of a recipe brings: the recipe is trained with all of them, and without each in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DivergedError, InputError, Problem, ResourceError
from tunesmith.core.observer import Observer
from tunesmith.core.words import Say
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import shortened
from tunesmith.report import folder as folders
from tunesmith.run import RECIPE
from tunesmith.studies import whole
from tunesmith.studies.compare import difference, read

FILE, ALL = "ablation.json", "all"


def ablate(recipe: Recipe, place: Path, watch: Sequence[Observer], say: Say) -> dict[str, Any]:
    """Train the variants of a recipe that are not finished yet, each as a run in the folder ``place``, and tell what came of them.

    ``scores``      of the recipe with all its strategies
    ``strategies``  for each: the ``scores`` without it, and the ``gain`` that it brings on the same rows with its paired 95% interval; or
                    the ``reason`` why there is nothing without it: another strategy needs it, for example

    Raises ``InputError`` for a recipe without strategies, and for a folder in which another recipe was looked at.
    """
    variants = without_each(recipe)
    begun = place / ALL / RECIPE
    if begun.exists() and begun.read_text(encoding="utf-8") != shortened(variants[ALL]):
        raise InputError(Problem("another recipe was trained there", "Name another folder with --run NAME", str(place)))
    reasons: dict[str, str] = {}
    for number, (name, variant) in enumerate(variants.items(), 1):
        if (place / name / "scores.json").exists():
            continue
        say(f"{number} of {len(variants)}: {name}")
        try:
            if (place / name).exists():
                whole.resume(place / name, watch, variant)
            else:
                whole.train(variant, run=name, runs=place, watch=watch)
        except (InputError, DivergedError, ResourceError) as error:
            if name == ALL:
                raise
            reasons[name] = error.problems[0].message
    full = read(place / ALL)
    found: dict[str, Any] = {
        "primary": full.scores["primary"],
        "examples": len(full.lines),
        "scores": full.scores["tuned"],
        "strategies": {},
    }
    for name in list(variants)[1:]:
        if name in reasons:
            found["strategies"][name] = {"reason": reasons[name]}
        else:
            part = read(place / name)
            found["strategies"][name] = {"scores": part.scores["tuned"], "gain": difference(part, full, 0)["gain"]}
    folders.write_json(place / FILE, found)
    return found


def without_each(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe, and what it is without each of its strategies, by name: ``without-lora``."""
    if recipe.stages or recipe.tasks or recipe.search or recipe.ensemble or recipe.auto:
        raise InputError(Problem("strategies are taken out of a recipe of one task that lists them", "Write one"))
    parts = [*recipe.strategies, *recipe.watch]
    if not parts:
        raise InputError(Problem("the recipe has no strategies to take out", "Add some under strategies"))
    names = [name_of(part).rpartition(":")[2] for part in parts]
    found = {ALL: replace(recipe, name=ALL)}
    for place, part in enumerate(parts):
        title = f"without-{names[place]}" + (f"-{place + 1}" if names.count(names[place]) > 1 else "")
        strategies = [other for other in recipe.strategies if other is not part]
        watch = [other for other in recipe.watch if other is not part]
        found[title] = replace(recipe, name=title, strategies=strategies, watch=watch)
    return found


def table(found: dict[str, Any]) -> list[list[str]]:
    """A row for each strategy: the score without it, and what it brings; or why that is not known."""
    from tunesmith.report import numbers
    from tunesmith.studies.single import difference as delta_and_interval

    metric = found["primary"]
    rows = []
    for name, own in found["strategies"].items():
        if "reason" in own:
            rows.append([name, "–", "–", own["reason"]])
        else:
            rows.append(
                [name, numbers.value(metric, own["scores"].get(metric)), *delta_and_interval({"primary": metric, "gain": own["gain"]})]
            )
    return rows
