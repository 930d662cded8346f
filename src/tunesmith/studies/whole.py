"""A recipe of one stage or of several, of one task or of several: trained, resumed, checked and explained by the same calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith import checking, explaining
from tunesmith import run as one
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.observer import Observer
from tunesmith.core.words import Say
from tunesmith.recipes.recipe import Recipe
from tunesmith.report import folder as folders
from tunesmith.run import Carry, Report
from tunesmith.studies import mixture
from tunesmith.studies.attempts import kind_of
from tunesmith.studies.routed import carry_routed
from tunesmith.studies.search import carry_search
from tunesmith.studies.seeds import carry_seeds
from tunesmith.studies.stages import hand_on, label, prepare


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    *,
    run: str | None = None,
    runs: Path | str = "runs",
    watch: Sequence[Observer] = (),
    **keys: Any,
) -> Report:
    """Train what a recipe says, in the new folder ``runs/run``, and report how much better than its base the model became.

    ``recipe`` is a ``Recipe``, a file, or its keys as a dictionary; or the keys are given by name: ``train(model=..., data=...)``.
    The stages of a recipe are trained in turn, each in a folder of its own inside. Raises ``InputError`` before any work for what is
    wrong in the recipe or the data of any stage, and for a run that exists already.
    """
    made = one.recipe_of(recipe, keys)
    return one.begun(made, (Path(runs), run), watch, carry_of(made))


def resume(
    run: Path | str,
    watch: Sequence[Observer] = (),
    recipe: Recipe | Mapping[str, Any] | None = None,
    runs: Path | str = "runs",
) -> Report:
    """Go on with an interrupted run from its newest checkpoint, to the same result. Raises ``InputError`` for a finished run.

    ``run`` is its folder, its name in ``runs``, or ``last``. Stages that are finished are not trained again. ``recipe`` is wanted again,
    as it was given to ``train``, where its file cannot hold all of it: rows in memory, or a strategy of your own.
    """
    folder = one.unfinished(folders.find(Path(runs), str(run)))
    if around := folders.whole_of(folder):
        raise InputError(Problem("this is a part of a run", folders.resuming(around), str(folder)))
    if recipe is None and folders.in_memory(folder):
        raise InputError(Problem("the run is not finished", folders.resuming(folder), str(folder)))
    made = one.recipe_of(recipe or folder / one.RECIPE, {})
    return one.resumed(made, folder, watch, carry_of(made))


def carry_of(recipe: Recipe) -> Carry:
    """What carries a recipe out: trials, several seeds, stages each by itself, or one run of whatever kind."""
    kinds: list[tuple[object, Carry]] = [(recipe.search, carry_search), (recipe.ensemble, carry_seeds), (recipe.routing, carry_routed)]
    return next((carry for asked, carry in kinds if asked), kind_of(recipe).carry)


def check(recipe: Recipe | Mapping[str, Any] | str | Path | None = None, say: Say = print, **keys: Any) -> dict[str, checking.Checked]:
    """What is known before training, for each stage by its name. A later stage is timed on the model that the first one begins with.

    ``recipe`` and ``keys`` are those of ``train``; ``say`` is told what goes on.
    """
    recipe = one.recipe_of(recipe, keys)
    if recipe.search:
        say(f"search: up to {recipe.search.trials} trials, of which this is about one")
    if recipe.ensemble:
        say(f"ensemble: {recipe.ensemble.seeds} runs, of which this is one")
    if recipe.tasks:
        return {recipe.name: mixture.check(recipe, say)}
    return {name: checking.check(stage, say) for name, stage in staged(recipe)}


def explain(
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None, say: Say = print, **keys: Any
) -> dict[str, explaining.Explanation]:
    """Which strategy acts where, and what learns when, for each stage by its name. ``recipe``, ``say`` and ``keys`` as for ``check``."""
    recipe = one.recipe_of(recipe, keys)
    if recipe.tasks:
        return {recipe.name: mixture.explain(recipe, say)}
    return {name: explaining.explain(stage, say) for name, stage in staged(recipe)}


def staged(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """The stages by their names, or the recipe itself, ready to be looked at: strategies know the rows of the stages before."""
    data = prepare(recipe) if recipe.stages else []
    for number, stage in enumerate(recipe.stages):
        if not recipe.routing:
            hand_on(recipe.stages[: number + 1], data, None)
        yield label(recipe.stages, number), stage
    if not recipe.stages:
        yield recipe.name, recipe
