"""Where in a recipe a setting stands that is found wrong later: by the data, by the model, or by a strategy that meets the model."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from tunesmith.core.errors import Problem, TunesmithError
from tunesmith.recipes.document import Keys, Place
from tunesmith.recipes.find import name_of
from tunesmith.recipes.foreseen import absent_models

if TYPE_CHECKING:
    from tunesmith.recipes.recipe import Recipe

Given = ParamSpec("Given")
Done = TypeVar("Done")


def placed(work: Callable[Concatenate[Recipe, Given], Done]) -> Callable[Concatenate[Recipe, Given], Done]:
    """A function of a recipe, whose errors say where in it the settings stand that they are about."""

    @functools.wraps(work)
    def working(recipe: Recipe, /, *given: Given.args, **named: Given.kwargs) -> Done:
        with placing(recipe):
            return work(recipe, *given, **named)

    return working


@contextmanager
def placing(recipe: Recipe) -> Iterator[None]:
    """Give every problem of a setting its place in the recipe. With data that cannot be read, a model that is not there is told, too."""
    try:
        yield
    except TunesmithError as error:
        if any(problem.key.startswith("data") for problem in error.problems):
            error.problems += absent_models(recipe.model, recipe.base_folder)
        error.problems = [_placed(problem, recipe) for problem in error.problems]
        raise


def _placed(problem: Problem, recipe: Recipe) -> Problem:
    place = place_of(problem.key, recipe) if problem.key else Place()
    if not place.file:
        return problem
    told = place.override and place.file.startswith(f"{problem.key}=")
    named = replace(problem, key="" if told else re.sub(r"^strategies\.\d+\.", "", problem.key))
    return Problem(named.said, problem.remedy, place.file, place.line, place.column)


def place_of(key: str, recipe: Recipe) -> Place:
    """Where a setting stands, or the nearest around it; what was changed within it on the command line comes first."""
    top, *rest = (int(name) if name.isdecimal() else name for name in key.split("."))
    keys: Keys = (top, name_of(recipe.task), *rest) if top == "task" else (top, *rest)
    places = recipe.places
    changed = (place for inner, place in places.items() if inner[: len(keys)] == keys and place.override)
    around = (places[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in places)
    return next(changed, None) or next(around, Place())
