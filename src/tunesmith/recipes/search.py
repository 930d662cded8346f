"""A search in a recipe: which keys vary, over which values, and how trials are drawn and cut short."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.setting import setting
from tunesmith.recipes.document import PARTS, Document, Keys
from tunesmith.recipes.limits import seconds_of
from tunesmith.recipes.validate import build

FIXED = {  # keys that cannot vary -> why
    **dict.fromkeys(
        ("data.train", "data.validation", "data.test", "data.tests", "data.columns", "data.labels"), "trials are judged on the same rows"
    ),
    **dict.fromkeys(("task.metric", "baselines", "name", "base_folder", "search", "ensemble"), "it is one for the whole search"),
    "single_task": "the best trial alone is compared with its tasks alone",
    "auxiliary": "trials are judged by the same tasks",
    "same_pass_as": "which tasks have rows of their own follows from it",
    "seed": "the best of several seeds is luck, and a share that is held out would change",
}
_OF_TASK = re.compile(r"^task\.\w+\.")  # task.text_classification.metric is task.metric
Make = Callable[[Mapping[str, Any], Sequence[str], Path], Any]  # ``recipe_from``


@dataclass
class Range:
    """Numbers between two ends, both included. They are whole where all that is written is whole."""

    low: int | float = setting(text="the lowest value")
    high: int | float = setting(text="the highest value")
    scale: str = setting("linear", "whether all values, or (log) all orders of magnitude, are equally likely", choices=("linear", "log"))
    step: int | float | None = setting(None, "distance between values; any value is possible when absent", above=0)

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise InputError(Problem(f"low is {self.low:g} and high {self.high:g}", "Write the lower one as low"))
        if self.scale == "log" and (self.low <= 0 or self.step is not None):
            raise InputError(Problem("scale: log is for values above 0, and has no step", "Raise low, and take step out; or list values"))

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all(isinstance(end, int) for end in (self.low, self.high, 1 if self.step is None else self.step))

    def values(self) -> list[int | float]:
        """All values, in order; none where there are infinitely many."""
        step = 1 if self.whole and self.step is None else self.step
        if step is None:
            return []
        return [self.low + step * number for number in range(math.floor((self.high - self.low) / step + 1e-9) + 1)]


Dimension = Range | list[Any]  # or the values themselves


@dataclass
class Search:
    """How the best of many recipes is looked for. Each trial is judged on the validation rows, the best one then on the test rows.

    ``dimensions``  what each key of ``space`` may be; ``given`` the keys of the recipe that varies. Both are made by ``search_of``
    """

    space: dict[str, Any] = setting(
        text="keys that vary, as on the command line, and their values: {training.learning_rate: {low: 1e-5, high: 1e-3, scale: log}}, "
        "or a list of them: {strategies.lora.rank: [4, 8, 16]}"
    )
    trials: int = setting(20, "recipes that are tried at most", low=1)
    time: str | None = setting(None, "time after which no other trial begins: 30min, 2h; enough when absent")
    sampler: str = setting(
        "tpe", "what to try next: by a Parzen estimator of what did well, at random, or all in turn", choices=("tpe", "random", "grid")
    )
    prune: str = setting(
        "median",
        "which trials are cut short after an evaluation: those worse than the median of others, or than the best third (halving)",
        choices=("median", "halving", "none"),
    )
    startup: int = setting(5, "first trials, which are drawn at random and not cut short", low=1)
    dimensions: dict[str, Dimension] = field(init=False, repr=False, compare=False, default_factory=dict)
    given: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.time is not None:
            seconds_of(self.time)
        if self.sampler == "grid" and self.prune == "none" and self.startup != 5:
            raise InputError(Problem("startup is not read where nothing is drawn and nothing cut short", "Take it out"))

    def grid(self) -> list[dict[str, Any]]:
        """All combinations, the last key changing fastest."""
        values = [of.values() if isinstance(of, Range) else of for of in self.dimensions.values()]
        return [dict(zip(self.dimensions, chosen, strict=True)) for chosen in itertools.product(*values)]


def overrides(values: Mapping[str, Any]) -> list[str]:
    """The values of a trial as overrides of its recipe."""
    return [f"{path}={json.dumps(value)}" for path, value in values.items()]


def search_of(document: Document, folder: Path, make: Make) -> Search | None:
    """What stands under ``search``, if anything. What is wrong is written into ``document``.

    A recipe is made with each end of a range and each value of a list, so that a value is checked as if it were written in its place.
    """
    if document.value.get("search") is None:
        return None
    search = build(Search, document.value["search"], document, ("search",))
    if search is None:
        return None
    search.given = {key: value for key, value in document.value.items() if key != "search"}
    if not search.space:
        document.refuse(("search", "space"), "search.space has no keys, so there is nothing to search", "Write what varies")
    for path, written in search.space.items():
        keys = ("search", "space", path)
        if why := _why_fixed(path, document):
            document.refuse(keys, f"{path} cannot vary: {why}", "Take it out")
        elif outer := next((other for other in search.space if other != path and _within(path, other)), ""):
            document.refuse(keys, f"{path} is a part of {outer}, which varies too", "Take one of the two out")
        elif (dimension := _dimension(written, document, keys, search.sampler)) is not None:
            search.dimensions[path] = dimension
    known = {problem.message for problem in _wrong(search, {}, folder, make)}
    for path, dimension in search.dimensions.items():
        tried = [dimension.low, dimension.high] if isinstance(dimension, Range) else dimension
        problems = {p.message: p for value in tried for p in _wrong(search, {path: value}, folder, make) if p.message not in known}
        for problem in problems.values():
            document.refuse(("search", "space", path), problem.message, problem.remedy)
    return search


def _why_fixed(path: str, document: Document) -> str:
    """Why a key cannot vary; empty where it can. What an earlier stage learns from is judged by the last one, and may."""
    kind, _, within = path.partition(".")
    part, _, own = within.partition(".")
    if kind not in PARTS:
        own = path
    if not own:
        return "keys within its parts can"
    own = _OF_TASK.sub("task.", own)
    earlier = kind == "stages" and part.isdecimal() and int(part) < len(document.value.get(kind) or ()) - 1
    return next((why for fixed, why in FIXED.items() if _within(own, fixed) and not (earlier and fixed.startswith(("data", "task")))), "")


def _dimension(written: Any, document: Document, keys: Keys, sampler: str) -> Dimension | None:
    """What a key may be. What is wrong is written into ``document``."""
    if isinstance(written, list):
        if len(written) > 1 and all(written.count(value) == 1 for value in written):
            return written
        document.refuse(keys, f"{keys[-1]} needs two different values or more", "Write [4, 8, 16], for example")
    elif isinstance(written, Mapping):
        found = build(Range, dict(written), document, keys)
        if found is None or sampler != "grid" or found.values():
            return found
        document.refuse(keys, f"{keys[-1]} has infinitely many values, and a grid tries all", "Give it a step, or list the values")
    else:
        document.refuse(keys, f"{keys[-1]} must be a list of values, or a range", "Write [4, 8, 16], or {low: 0, high: 6}")
    return None


def _within(path: str, other: str) -> bool:
    return f"{path}.".startswith(f"{other}.")


def _wrong(search: Search, values: Mapping[str, Any], folder: Path, make: Make) -> list[Problem]:
    """What is wrong with the recipe that has these values."""
    try:
        make(search.given, overrides(values), folder)
    except InputError as error:
        return error.problems
    return []
