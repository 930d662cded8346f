"""Several finished runs as one: their predictions combined, or their weights averaged, judged beside each of them on the same rows."""

from __future__ import annotations

import gc
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.combining import agreement, check, combine, form_of, greedy_weights, shared, telling
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.core.words import Say
from tunesmith.data.load import Data, load
from tunesmith.engine import distributed
from tunesmith.evaluate.compare import Judged, compare, gain
from tunesmith.model.files import digest, read_json
from tunesmith.model.neighbours import ABOUT as NEIGHBOURS
from tunesmith.model.routing import ABOUT as ROUTER
from tunesmith.model.save import save
from tunesmith.proof import Proof, judge
from tunesmith.recipes.ensemble import AVERAGE, FITTED, GREEDY_SOUP, SOUPS, VOTE, WAYS, WEIGHTED
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.recipes.resolved import resolved
from tunesmith.report import folder as folders
from tunesmith.report.facts import Facts
from tunesmith.report.page import page
from tunesmith.run import RESOLVED, Report
from tunesmith.studies.compare import read
from tunesmith.studies.ensemble_report import section
from tunesmith.studies.luck import spread, spread_of_measures
from tunesmith.studies.soup import greedy, uniform
from tunesmith.tuned import ENSEMBLE, Tuned, decided, finished_run, recipe_of, tasks_of, tell, tuned_for

SETTINGS = ("labels", "kind", "scheme", "parting", "threshold")  # of a task, in which members must not differ


@dataclass(frozen=True)
class Member:
    """One of the runs: its folder, its recipe, and its data."""

    place: Path
    recipe: Recipe
    data: Data

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def judged(self) -> tuple[str, list[Row]]:
        """By which rows it was judged, and what they are called."""
        name, rows = list(self.data.splits().items())[-1]
        return name, list(rows)


def ensemble(which: Sequence[str | Path], how: str, place: tuple[Path, str], say: Say) -> Report:
    """Combine runs in the new folder ``place`` (the folder of runs, and a name), and judge what came of it.

    ``how``  vote, average (of probabilities), weighted (an average whose weights are fitted to the validation rows), soup (the mean of
    their weights), greedy_soup (of the weights of those that help on the validation rows)

    Raises ``InputError`` with everything that the runs have not in common.
    """
    if how not in WAYS:
        raise InputError(Problem(f"there is no way '{how}' to combine runs", f"Take one of {', '.join(WAYS)}"))
    runs = [finished_run(one, place[0]) for one in which]
    members = alike(runs, how)
    task = members[0].recipe.task
    if how not in SOUPS:
        check(task, how, members[0].name)
    with new(*place) as folder:
        return combined(members, how, folder, say, members[0].recipe)


@contextmanager
def new(runs: Path, name: str) -> Iterator[Path]:
    """The new folder of a run, of which nothing is left where it fails."""
    folder = folders.create(runs, name)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def alike(runs: Sequence[Path], how: str) -> list[Member]:
    """The members with their data. Raises ``InputError`` with every run that cannot be combined with the first, and why."""
    problems = [problem for place, run in enumerate(runs) if (problem := unfit(run, runs[:place]))]
    if len(runs) < 2:
        problems.append(Problem("one run is no ensemble", "Name two or more"))
    if problems:
        raise InputError(*problems)
    members: list[Member] = []
    for run in runs:
        recipe = recipe_of(run)
        try:
            task = reading(recipe.task, members[0].recipe.task, how) if members else recipe.task
            members.append(Member(run, recipe, load(recipe.data, task, recipe.seed, recipe.base_folder)))
        except InputError as error:
            problems.append(Problem(f"its data cannot be read again: {error.problems[0].message}", "Put them back", str(run)))
    if problems:
        raise InputError(*problems)
    first = members[0]
    for member in members[1:]:
        problems += [
            Problem(message, f"Combine runs that are alike in this with {first.name}", str(member.place))
            for message in unlike(member, first, how)
        ]
    if how in FITTED:
        problems += fitting_rows(members)
    if problems:
        raise InputError(*problems)
    return members


def unfit(run: Path, before: Sequence[Path]) -> Problem | None:
    """Why a run can be in no ensemble."""
    if run.resolve() in [other.resolve() for other in before]:
        return Problem("the run is named twice", "Name it once", str(run))
    if run.name in [other.name for other in before]:
        return Problem("another run is called so too, and members go by their names", "Rename its folder", str(run))
    if (run / ENSEMBLE).exists() or (run / "model" / ROUTER).exists() or tasks_of(run):
        return Problem("the run has several models", "Name runs of one model each", str(run))
    return None


def same_in(task: Task, how: str) -> dict[str, Any]:
    """The settings in which members must not differ. Predictions go by the names of labels, and weights by their order."""
    found = {name: getattr(task, name, None) for name in SETTINGS if name != "threshold" or not isinstance(task, LabelTask)}
    return found if how in SOUPS or not found["labels"] else found | {"labels": sorted(found["labels"])}


def reading(task: Task, first: Task, how: str) -> Task:
    """The task that reads the rows of a member: its own, or that of the first where the same labels have other numbers."""
    same = type(task) is type(first) and same_in(task, how) == same_in(first, how)
    return first if same and getattr(task, "labels", []) != getattr(first, "labels", []) else task


def unlike(member: Member, first: Member, how: str) -> list[str]:
    """What a member has not in common with the first one."""
    one, other = first.recipe.task, member.recipe.task
    if name_of(one) != name_of(other):
        return [f"its task is {name_of(other)}, and that of {first.name} {name_of(one)}"]
    ours, theirs = same_in(one, how), same_in(other, how)
    found = [
        f"its {name} are {getattr(other, name)}, and those of {first.name} {getattr(one, name)}"
        for name in ours
        if ours[name] != theirs[name]
    ]
    if member.judged != first.judged:
        found.append(f"it was judged on other rows than {first.name}")
    return found


def fitting_rows(members: Sequence[Member]) -> list[Problem]:
    """Why weights cannot be fitted to the validation rows: there are none, or some member has learned from them."""
    first, *others = ([] if member.data.validation is None else list(member.data.validation) for member in members)
    if not first:
        return [Problem("weights are fitted to validation rows, and the run has none", "Take average", str(members[0].place))]
    remedy = "Give all runs one file as data.validation, or take average"
    message = f"it has other validation rows than {members[0].name}, and may have learned from those"
    return [Problem(message, remedy, str(member.place)) for member, rows in zip(members[1:], others, strict=True) if rows != first]


def combined(members: Sequence[Member], how: str, folder: Path, say: Say, recipe: Recipe) -> Report:
    """What came of the members together, in a folder whose recipe is ``recipe``."""
    members = [replace(own, recipe=replace(own.recipe, task=decided(own.recipe.task, own.place))) for own in members]
    tasks, (split, rows) = [member.recipe.task for member in members], members[0].judged
    task = tasks[0]
    chosen_by = list(members[0].data.validation or []) if how in FITTED else []
    answers, chosen = [], []
    for member in members:
        say(f"{member.name} answers {len(rows) + len(chosen_by):,} rows")
        tuned = tuned_for(replace(member.recipe, task=telling(member.recipe.task, how)), str(member.place / "model"))
        answers.append(answered(tuned, rows))
        chosen.append(answered(tuned, chosen_by) if chosen_by else [])
        del tuned
        gc.collect()
    if how in SOUPS:
        task = shared(tasks, [1 / len(tasks)] * len(tasks))
        weights, together = mixed(members, task, how, chosen, folder, say)
    else:
        weights = fitted(task, chosen, chosen_by) if how == WEIGHTED else [1 / len(members)] * len(members)
        task = shared(tasks, weights)
        together = combine(task, how, weights, answers, rows)
    judged = {member.name: judge(task, rows, own) for member, own in zip(members, answers, strict=True)}
    whole = judge(task, rows, together)
    base = read(members[0].place).base
    scores = scores_of(members, judged, (base, whole), split)
    about = {"how": how, "weights": dict(zip(judged, weights, strict=True)), "agreement": agreement(task, answers, rows)}
    known = [float(value) for found in judged.values() if (value := found.metrics.get(task.primary)) is not None]
    if recipe.ensemble is not None and len(known) == len(members):
        about["spread"] = spread(known)
    about |= {"sequence": spread_of_measures([member.place for member in members])} if recipe.sequence else {}
    last = [replace(stage, task=task) for stage in recipe.stages[-1:]]
    scores["ensemble"] = {**about, **against_best(task, judged, whole)}
    facts = Facts(name=folder.name, task=name_of(task), scores=scores, sections=[section(scores, pages(members, folder))])
    if distributed.first():
        if how not in SOUPS:
            write_members(members, how, weights, folder)
        Proof(task, split, rows, together, list(whole.correct), list(base.correct), scores).write(folder)
        folders.write_text(folder / RESOLVED, resolved(replace(recipe, task=task, stages=[*recipe.stages[:-1], *last])))
        folders.write_text(folder / "report.html", page(facts))
        folders.write_json(folder / "scores.json", scores)
    distributed.barrier()
    return Report(folder, scores, facts)


def pages(members: Sequence[Member], folder: Path) -> dict[str, str]:
    return {member.name: f"{path_to(member, folder)}/report.html" for member in members}


def path_to(member: Member, folder: Path) -> str:
    return Path(os.path.relpath(member.place.resolve(), folder.resolve())).as_posix()


def answered(tuned: Tuned, rows: Sequence[Row]) -> list[Prediction]:
    return tuned.predictions([tuned.task.asked(row) for row in rows], tuned.forward())


def fitted(task: Task, answers: Sequence[Sequence[Prediction]], rows: Sequence[Row]) -> list[float]:
    """The weights that lose least on the validation rows."""
    import numpy as np

    form = form_of(task)
    assert form is not None
    return greedy_weights(np.stack([form.table(own, rows) for own in answers]), lambda table: form.loss(table, rows))


def mixed(
    members: Sequence[Member], task: Task, how: str, answers: Sequence[Sequence[Prediction]], folder: Path, say: Say
) -> tuple[list[float], list[Prediction]]:
    """Write the soup of the members into ``folder``. Returns what each weighs in it, and what it answers on the judged rows."""
    recipe, runs = replace(members[0].recipe, task=task), [member.place for member in members]
    sign = 1 if task.higher_is_better else -1
    validation = list(members[0].data.validation or [])

    def worth(predictions: Sequence[Prediction]) -> float:
        found = task.verdict(predictions, validation)
        return -math.inf if math.isnan(found) else sign * found

    def score(some: Sequence[Path]) -> float:
        return worth(answered(as_tuned(recipe, some), validation))

    chosen = greedy(runs, [worth(own) for own in answers], score) if how == GREEDY_SOUP else runs
    say(f"the weights of {', '.join(run.name for run in chosen)} become one model")
    if any((run / "model" / NEIGHBOURS).is_file() for run in chosen):
        say("its answers have no neighbours mixed in: their vectors are those of the single models")
    soup = as_tuned(recipe, chosen)
    if distributed.first():
        save(soup.model, folder / "model")
        tell(recipe, folder / "model")
        for path, content in task.files(soup.model.module).items():
            (folder / "model" / path).parent.mkdir(exist_ok=True)
            folders.write_json(folder / "model" / path, content)
    return [int(run in chosen) / len(chosen) for run in runs], answered(soup, members[0].judged[1])


def as_tuned(recipe: Recipe, runs: Sequence[Path]) -> Tuned:
    return Tuned(uniform(recipe, runs), recipe.task, recipe.data.columns, recipe.data.labels, recipe.training.precision)


def write_members(members: Sequence[Member], how: str, weights: Sequence[float], folder: Path) -> None:
    """Who is asked, by paths from the folder of the ensemble, with what weight, and the digests of their models."""
    told = [
        {
            "name": member.name,
            "run": path_to(member, folder),
            "weight": weight,
            "digest": digest(member.place / "model"),
        }
        for member, weight in zip(members, weights, strict=True)
        if weight
    ]
    folders.write_json(folder / ENSEMBLE, {"how": VOTE if how == VOTE else AVERAGE, "members": told})


def scores_of(members: Sequence[Member], judged: Mapping[str, Judged], ends: tuple[Judged, Judged], split: str) -> dict[str, Any]:
    """What ``scores.json`` says: the ensemble as the tuned model, its members as baselines, and the base of the first."""
    task, known = members[0].recipe.task, [read_json(member.place / "scores.json") for member in members]
    scores = compare(name_of(task), task, split, *ends, judged)
    seconds = sum(own["seconds"]["train"] for own in known)
    return {**scores, "base_is": f"{known[0]['base_is']}, of {members[0].name}", "seconds": {"train": seconds}}


def against_best(task: Task, judged: Mapping[str, Judged], whole: Judged) -> dict[str, Any]:
    """How the ensemble differs from its best member on these rows, with the paired interval: the hardest comparison there is."""
    sign = 1 if task.higher_is_better else -1
    best = max(judged, key=lambda name: sign * float(judged[name].metrics.get(task.primary) or 0.0))
    return {"best": best, "gain": folders.plain(gain(task.primary, judged[best], whole))}
