"""The best of many recipes: trials are trained in turn and judged on the validation rows, and the best of them on the test rows."""

from __future__ import annotations

import gc
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DivergedError, InputError, Problem, ResourceError
from tunesmith.core.mixture import MEAN
from tunesmith.core.observer import Observer
from tunesmith.core.words import Say
from tunesmith.engine import distributed
from tunesmith.evidence import command
from tunesmith.recipes.limits import seconds_of
from tunesmith.recipes.recipe import Recipe, recipe_from
from tunesmith.recipes.resolved import shortened
from tunesmith.recipes.search import Search, overrides
from tunesmith.run import Report, speaker
from tunesmith.studies import trials_report
from tunesmith.studies.attempts import Attempt, check, kind_of
from tunesmith.studies.cutting import Cutting
from tunesmith.studies.stages import decided, linked, places_of, replacing, settle_in, within, write
from tunesmith.studies.trials import BEGUN, CUT, DONE, FAILED, Trial, best_of, importances, next_values

HEAVY = ("checkpoints", "model", "merged")  # folders of a trial and of its stages that hold weights


def carry_search(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """Try recipes from wherever the search stands, then judge the best of them, whose model and report become those of the run.

    What is tried next depends on the trials before alone, which are read from their files: a search that was killed goes on as if it
    had not been.
    """
    say, search = speaker(watch), _search(recipe)
    check(recipe)
    metric, better = decided_by(recipe)
    trials: list[Trial] = []
    while (trial := upcoming(recipe, trials, folder, say)) is not None:
        if trial.state == BEGUN:
            say(f"trial {trial.number} of {search.trials}: {trials_report.settings(trial.values)}")
            place = place_of(folder, search, trial.number)
            trial = tried(recipe, trial, trials, place, watch)
            if distributed.first():
                trial.write(place)
            distributed.barrier()
            leads = trial is best_of([*trials, trial], better)
            say(f"trial {trial.number}: {trials_report.outcome(trial, metric)}" + (", the best so far" if leads else ""))
        trials.append(trial)
        if distributed.first():
            forget(folder, search, trials, best_of(trials, better))
    if best_of(trials, better) is None:
        reasons = [f"trial {trial.number} ({trials_report.settings(trial.values)}) {trial.state}: {trial.reason}" for trial in trials]
        raise InputError(Problem("no trial reached its end", "Search other values"), *reasons)
    return finished(recipe, trials, folder, watch)


def _search(recipe: Recipe) -> Search:
    assert recipe.search is not None
    return recipe.search


def decided_by(recipe: Recipe) -> tuple[str, bool]:
    """The metric that decides between trials, and whether more of it is better; of a recipe whose data were read."""
    if recipe.tasks:
        return MEAN, True
    task = (recipe.stages[-1] if recipe.stages else recipe).task
    return task.primary, task.higher_is_better


def place_of(folder: Path, search: Search, number: int) -> Path:
    """The folder of a trial: ``trial-07``."""
    return folder / f"trial-{number:0{len(str(search.trials))}d}"


def upcoming(recipe: Recipe, before: Sequence[Trial], folder: Path, say: Say) -> Trial | None:
    """The trial after those ``before``, as its file has it where it began already. None where the search is over."""
    search, number = _search(recipe), len(before) + 1
    if number > search.trials:
        return None
    place = place_of(folder, search, number)
    if (known := Trial.read(place)) is not None:
        return known
    spent = sum(trial.seconds for trial in before)
    if before and search.time is not None and spent >= seconds_of(search.time):
        say(f"the search ends after {len(before)} trials: {search.time} are over")
        return None
    values = next_values(search, before, decided_by(recipe)[1], recipe.seed)
    if values is None:
        say(f"the search ends after {len(before)} trials: all values were tried")
        return None
    trial = Trial(number, values)
    settle_in(varied(recipe, values), place)
    if distributed.first():
        trial.write(place)
    distributed.barrier()
    return trial


def varied(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe of a trial. Where trials differ in their training alone, layers that do not learn are kept for those to come."""
    shares = all(key.startswith("training.") for key in values) and not (recipe.stages or recipe.tasks) and recipe.training.trunk == "auto"
    more = {"training.trunk": "always"} if shares else {}
    return recipe_from({**_search(recipe).given, "base_folder": str(recipe.base_folder)}, overrides({**more, **values}))


def tried(recipe: Recipe, trial: Trial, before: Sequence[Trial], place: Path, watch: Sequence[Observer]) -> Trial:
    """What came of a trial. One that diverges or is refused has failed, and is not the end of the search."""
    search, (metric, better), began = _search(recipe), decided_by(recipe), time.perf_counter()
    curves = {state: [other.signed(better) for other in before if other.state == state] for state in (DONE, CUT)}
    cuts = search.prune != "none" and trial.number > search.startup
    cutting = Cutting(search.prune, curves[DONE], curves[CUT]) if cuts else None
    say = speaker(watch) if trial.number == 1 else lambda message: None  # the data and the model are mostly the same
    try:
        with within(place.parent, f"trial {trial.number}"):
            made = varied(recipe, trial.values)
            if leader := best_of(before, better):
                take_over(made, common(trial, leader), place, place_of(place.parent, search, leader.number))
            worth = kind_of(made).learn(Attempt(made, place, watch, cutting, say))
    except (InputError, DivergedError, ResourceError) as error:
        found = replace(trial, state=FAILED, reason=error.problems[0].message)
    else:
        found = replace(trial, state=DONE, curve=[value if math.isfinite(value) else None for value in worth.curve])
        if cutting and cutting.ended:
            found = replace(found, state=CUT, reason=cutting.ended)
        elif math.isfinite(worth.score):
            found = replace(found, score=worth.score)
        else:
            found = replace(found, state=FAILED, reason=f"{metric} is not defined for its predictions")
    gc.collect()
    return replace(found, seconds=round(time.perf_counter() - began, 2))


def common(one: Trial, other: Trial) -> int:
    """How many stages, from the first, are the same in two trials."""
    differing = [path.split(".") for path, value in one.values.items() if value != other.values[path]]
    return min((int(names[1]) if names[0] in ("stages", "sequence") else 0 for names in differing), default=0)


def take_over(recipe: Recipe, stages: int, place: Path, source: Path) -> None:
    """Give a trial the first stages of the trial in ``source``, which need not be trained again."""
    for own, other in list(zip(places_of(recipe, place), places_of(recipe, source), strict=True))[:stages]:
        if distributed.first() and not own.exists():
            with replacing(own) as aside:
                shutil.copytree(other, aside, copy_function=linked)
        distributed.barrier()


def forget(folder: Path, search: Search, trials: Sequence[Trial], best: Trial | None) -> None:
    """Take away the checkpoints of trials that another one beats, and the models of their stages."""
    for trial in trials:
        if trial is not best:
            place = place_of(folder, search, trial.number)
            for heavy in (found for name in HEAVY for found in (place / name, *place.glob(f"*/{name}"))):
                shutil.rmtree(heavy, ignore_errors=True)


def finished(recipe: Recipe, trials: Sequence[Trial], folder: Path, watch: Sequence[Observer]) -> Report:
    """Judge the best trial, and report on all."""
    search, (metric, better) = _search(recipe), decided_by(recipe)
    best = best_of(trials, better)
    assert best is not None
    made, place = varied(recipe, best.values), place_of(folder, search, best.number)
    speaker(watch)(f"the best of {len(trials)} is trial {best.number}: {trials_report.settings(best.values)}")
    with within(folder, f"trial {best.number}"):
        report = kind_of(made).carry(made, place, watch)
    found = {
        "metric": metric,
        "score": kind_of(recipe).score,
        "higher_is_better": better,
        "best": best.number,
        "trials": [asdict(trial) for trial in trials],
        "importance": importances(search, trials, better),
    }
    scores = {**report.scores, "search": found}
    sections = [*report.facts.sections, *trials_report.sections(found, place.name)]
    about = {"name": folder.name, "recipe_text": shortened(recipe), "command": command(recipe, folder)}
    facts = replace(report.facts, scores=scores, sections=sections, **about)
    if distributed.first():
        write(decided(made, place), facts, place, folder)
    distributed.barrier()
    return Report(folder, scores, facts)
