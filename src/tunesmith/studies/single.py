"""Is one model for several tasks better than one for each: every task is trained alone too, and judged on the same rows."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.core.mixture import APART
from tunesmith.core.observer import Observer
from tunesmith.core.words import Say, duration
from tunesmith.data.load import Data
from tunesmith.evaluate.compare import PER_ROW, gain
from tunesmith.model.files import read_json
from tunesmith.proof import Proof, judge
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.report import numbers
from tunesmith.studies.stages import trained
from tunesmith.tuned import decided, tuned_for

FOLDER = "single"  # in the folder of the run: a run for each task alone


@dataclass(frozen=True)
class Single:
    """A task that is trained alone: its recipe and its data, and what it came to among the other tasks."""

    recipe: Recipe
    data: Data
    joint: Proof


def recipes_of(recipe: Recipe) -> tuple[dict[str, Recipe], list[str]]:
    """For each task that is judged a recipe of its own with the same settings, and the strategies that are left out there.

    Those are the ones that need several tasks. What learns or watches is copied: it is not what the tasks are trained with together.
    """
    gone = dict.fromkeys(name_of(strategy) for strategy in recipe.strategies if APART in strategy.needs)
    found = {}
    for name, part in recipe.tasks.items():
        if not part.membership.auxiliary:
            kept = [copy.copy(strategy) for strategy in part.all_strategies if APART not in strategy.needs]
            membership = replace(part.membership, strategies=[])
            found[name] = replace(part, strategies=kept, membership=membership, watch=[copy.copy(observer) for observer in part.watch])
    return found, list(gone)


def carry_singles(singles: Mapping[str, Single], folder: Path, watch: Sequence[Observer], say: Say) -> dict[str, Any]:
    """Train each task that is not trained alone yet, and return by name how it compares with what it is among the others."""
    found = {}
    for number, (name, single) in enumerate(singles.items(), 1):
        place = folder / FOLDER / name
        if not (place / "scores.json").exists():
            say(f"alone, {number} of {len(singles)}: {name}")
            trained(single.recipe, place, watch, single.data, folder)
        found[name] = compared(single, place)
        say(f"{name}: {told(found[name])}")
    return found


def compared(single: Single, place: Path) -> dict[str, Any]:
    """How a task does alone, by the model of the run in ``place``, and with others, on the same rows; ``gain`` is what the others bring."""
    joint = single.joint
    tuned = tuned_for(replace(single.recipe, task=decided(single.recipe.task, place)), str(place / "model"))
    predictions = tuned.predictions(joint.truths, tuned.forward())
    sides = {"single": predictions, "joint": joint.predictions}
    judged = {side: judge(joint.task, joint.truths, answers) for side, answers in sides.items()}
    metric = joint.task.primary
    return {
        "primary": metric,
        **{side: _known(found.metrics.get(metric)) for side, found in judged.items()},
        "gain": gain(metric, judged["single"], judged["joint"]),
        "examples": len(joint.truths),
        "seconds": read_json(place / "scores.json")["seconds"]["train"],
    }


def _known(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def difference(found: Mapping[str, Any]) -> tuple[str, str]:
    """What the other tasks bring, with its unit, and the 95% interval; that of the mean correctness where the metric has none."""
    metric = found["primary"]
    own, by_row = found["gain"].get(metric, {}), found["gain"].get(PER_ROW, {})
    which, interval = (metric, own["ci95"]) if own.get("ci95") else (PER_ROW, by_row.get("ci95"))
    ends = [numbers.change(which, end) for end in interval or ()]
    text = f"{ends[0]} to {ends[1]}" + ("" if which == metric else " (in correctness)") if ends else "not known"
    return numbers.change(metric, own.get("delta"), unit=True), text


def told(found: Mapping[str, Any]) -> str:
    """A task alone and together, for people."""
    metric = found["primary"]
    alone, joint = (numbers.value(metric, found[side]) for side in ("single", "joint"))
    delta, interval = difference(found)
    return f"{numbers.title(metric)} {alone} alone, {joint} with the other tasks: {delta}, 95% interval {interval}"


def section(found: Mapping[str, Mapping[str, Any]], seconds: float) -> dict[str, Any]:
    """All tasks alone and together as a section of the report; ``seconds`` is what training them together took."""
    columns = [{"name": name} for name in ("task", "metric")]
    columns += [{"name": name, "format": "figure"} for name in ("alone", "together", "difference", "95% interval", "rows", "time alone")]

    def row(name: str, own: Mapping[str, Any]) -> list[Any]:
        metric = own["primary"]
        figures = [numbers.value(metric, own[side]) for side in ("single", "joint")]
        return [name, numbers.title(metric), *figures, *difference(own), f"{own['examples']:,}", duration(own["seconds"])]

    alone = duration(sum(own["seconds"] for own in found.values()))
    about = "Each task was also trained alone, with the same settings, and judged on the same rows. "
    return {
        "title": "Together or alone",
        "kind": "table",
        "data": {"columns": columns, "rows": [row(name, own) for name, own in found.items()]},
        "about": f"{about}Training took {duration(seconds)} together, {alone} one after the other.",
        "group": "Tasks",
        "wide": True,
    }
