"""A tuned model in use: ``tunesmith.load(run).predict(texts)``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.combining import combine, shared, telling
from tunesmith.core.errors import InputError, IntegrityError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.core.words import Say
from tunesmith.data.asking import as_rows, blank_lines, passed_over
from tunesmith.data.columns import GROUP, ID
from tunesmith.data.encode import encode
from tunesmith.data.examples import Examples, read_examples, read_roles
from tunesmith.engine.precision import choose, device
from tunesmith.evaluate.score import predict
from tunesmith.evaluate.vectors import vectors
from tunesmith.model import neighbours
from tunesmith.model.build import Model, build_for
from tunesmith.model.files import digest, read_json
from tunesmith.model.routing import ABOUT as ROUTER
from tunesmith.model.routing import Router
from tunesmith.model.shared import lean
from tunesmith.model.sources import resolve
from tunesmith.ready import named_labels, ready
from tunesmith.recipes.find import did_you_mean, name_of
from tunesmith.recipes.recipe import Recipe, read_recipe, recipe_from
from tunesmith.recipes.validate import as_plain
from tunesmith.report import folder as folders

RESOLVED = folders.RECIPES[1]
ENSEMBLE = "ensemble.json"  # in the folder of a run whose model is several others
TOLD = "tunesmith.json"  # beside a model that has left its run: what it was tuned for
CHUNK = 2_000  # rows predicted at a time: a large file takes little memory


@dataclass(frozen=True)
class Tuned:
    """A model with the task that it was tuned for.

    ``columns``  the header of each role in the training file; a file without these headers is read by the names that the task knows
    ``labels``   names for values of the label column; ``precision`` the number format that it was judged in
    ``learns``   whether the rows that it is judged on say what its files do not: how right choices are given, for example
    """

    model: Model
    task: Task
    columns: dict[str, str]
    labels: dict[str, str]
    precision: str = "auto"
    learns: bool = False

    def predict(self, rows: Any) -> list[Prediction]:
        """A prediction for each row, in their order.

        ``rows`` is a list of texts, a list of dictionaries, a data file, a picture or a recording, or whatever ``data.train`` of a recipe
        can be. Rows with an ``id`` have it in their predictions. Raises ``InputError`` with every row that cannot be used.
        """
        return list(self.stream(rows))

    def stream(self, rows: Any, say: Say | None = None) -> Iterator[Prediction]:
        """The predictions of ``predict``, as they are made: all rows are checked before the first.

        ``say`` gets a line where there is a truth that the task cannot read, since no prediction needs one, and where lines are empty.
        """
        examples, forward = self.examples(rows, truth=False), self.forward()
        if say and (unread := examples.unread):
            names = " and ".join(f"'{header}'" for header in unread)
            say(f"column {names} is not read: it holds what the model does not know, and predictions need no truth")
        if say and (empty := blank_lines(examples)):
            say(passed_over(empty))
        for start in range(0, len(examples), CHUNK):
            part = examples[start : start + CHUNK]
            found = self.predictions([self.task.asked(row) for row in part], forward)
            ids = part.rows.column(ID) if ID in part.rows.columns else None
            yield from found if ids is None else ({ID: name, **one} for name, one in zip(ids, found, strict=True))

    def evaluate(self, rows: Any) -> dict[str, Any]:
        """The task's metrics on rows with the truth."""
        return self.scores(self.examples(rows, truth=True))

    def scores(self, examples: Examples) -> dict[str, Any]:
        """The task's metrics on rows that ``examples`` returned."""
        self.task.check_judged(examples)
        return self.task.metrics(self.predictions(examples, self.forward()), list(examples))

    def examples(self, rows: Any, truth: bool) -> Examples:
        """Rows as ``Task.read`` returns them, with their truth where that must be there; else with what the rows are called."""
        rows, named = (rows, {}) if truth else (as_rows(rows, self.task), {ID: ID})
        if truth and self.learns:
            self.task.learn(read_roles(rows, self.task, self.columns)[0])
        try:
            return read_examples(rows, self.task, {**self.columns, **named}, self.labels, truth)[0]
        except InputError as error:
            try:
                group = {role: header for role, header in self.columns.items() if role == GROUP}
                return read_examples(rows, self.task, {**group, **named}, self.labels, truth)[0]
            except InputError as by_name:  # of the two errors, the one that got further
                found_columns = any(problem.line for problem in by_name.problems)
                raise (by_name if found_columns else error) from None

    def predictions(self, examples: Sequence[Row], forward: Forward) -> list[Prediction]:
        """The predictions for rows that ``examples`` returned."""
        return predict(forward, encode(examples, self.task, self.model.tokenizer), self.task, self.model.tokenizer)

    def forward(self) -> Forward:
        """The model on the device that is there, in the precision that it was trained in."""
        where = device()
        trained_here = self.precision != "float16" or where.type == "cuda"
        return Forward(self.model.module.to(where).eval(), where, choose(self.precision if trained_here else "auto", where))


@dataclass(frozen=True)
class Routed(Tuned):
    """The models of the stages of a sequence, one of which answers a row: that of the stage whose prototype is nearest.

    ``model`` is their common base, in whose vectors ``router`` looks; ``stages`` are the models by the names of their stages, which hold
    in memory what differs from the base. A prediction has the name under ``stage``.
    """

    router: Router = field(kw_only=True)
    stages: Mapping[str, Tuned] = field(kw_only=True)

    def predictions(self, examples: Sequence[Row], forward: Forward) -> list[Prediction]:
        asked = encode([self.task.asked(row) for row in examples], self.task, self.model.tokenizer)
        routes = self.router.nearest(vectors(forward, asked, self.task, self.model.tokenizer)) if len(asked) else []
        found: dict[int, Prediction] = {}
        for name, stage in self.stages.items():
            if own := [place for place, route in enumerate(routes) if route == name]:
                predictions = stage.predictions([examples[place] for place in own], stage.forward())
                found |= {place: {**prediction, "stage": name} for place, prediction in zip(own, predictions, strict=True)}
        return [found[place] for place in range(len(examples))]


@dataclass(frozen=True)
class Ensemble(Tuned):
    """Several models of one task, whose predictions become one: ``how`` and with what ``weights`` see ``combining.combine``.

    ``model`` and ``task`` are those of the first of the ``members``, which have the names of their runs.
    """

    members: Mapping[str, Tuned] = field(kw_only=True)
    how: str = field(kw_only=True)
    weights: tuple[float, ...] = field(kw_only=True)

    def predictions(self, examples: Sequence[Row], forward: Forward) -> list[Prediction]:
        found = [member.predictions(examples, member.forward()) for member in self.members.values()]
        return combine(self.task, self.how, self.weights, found, examples)


def load(which: str | Path, runs: str | Path = "runs", task: str = "", kind: str = "") -> Tuned:
    """The tuned model of a run (its folder, its name in ``runs``, or ``last``), an exported one, or one from anywhere.

    ``task`` names one where the run has several, or a stage where rows would be routed to one of them; ``kind`` is the task, as recipes
    call it, that a model from anywhere is to do, where its files do not tell. Raises ``InputError`` for a run that is not finished, and
    for a model without a head that can answer.
    """
    if task:
        return _from_elsewhere(str(of_task(which, runs, task)), kind)
    if is_model(str(which), Path(runs)):
        return _from_elsewhere(str(which), kind)
    if kind:
        raise InputError(Problem("a run knows its task", "Leave --as out, or name the folder of its model", str(which)))
    folder = finished_run(which, runs)
    if (folder / "model" / ROUTER).exists():
        return _from_elsewhere(str(folder / "model"))
    if (folder / ENSEMBLE).exists():
        return _ensemble(folder)
    if tasks := tasks_of(folder):
        return _from_elsewhere(str(of_task(which, runs, tasks[0] if len(tasks) == 1 else "")))
    return tuned_for(recipe_of(folder), str(folder / "model"))


def tasks_of(run: Path) -> list[str]:
    """The names of the tasks of a finished run that has several, and a model for each."""
    return sorted(place.parent.name for place in run.glob(f"model/*/{TOLD}"))


def of_task(which: str | Path, runs: str | Path, task: str) -> Path:
    """The folder of the model of one task of a run. Raises ``InputError``, with the nearest name, where there is none of that name."""
    folder = finished_run(which, runs)
    tasks = tasks_of(folder)
    if task in tasks:
        return folder / "model" / task
    if not tasks:
        raise InputError(Problem(f"the run has one task, and none is called '{task}'", "Leave the name out", str(folder)))
    message = f"there is no task '{task}'" if task else f"the run has several tasks: {', '.join(tasks)}"
    raise InputError(Problem(message, did_you_mean(task, tasks) if task else f"Name one: --task {tasks[0]}", str(folder)))


def recipe_of(run: Path) -> Recipe:
    """The recipe of a finished run without strategies, which have done their work: of stages that of the last, of trials of the best."""
    parts = [place.parent for kind in ("[0-9]*-*", "trial-*") for place in run.glob(f"{kind}/{RESOLVED}")]
    return recipe_of(max(parts)) if parts else read_recipe(run / RESOLVED, ["strategies=[]"])  # they may be code of the user's own


def decided(task: Task, run: Path) -> Task:
    """The task of a run with the threshold that was chosen for its model when it was done, where the recipe leaves it open."""
    if not isinstance(task, LabelTask) or not task.undecided or not (run / RESOLVED).exists():
        return task
    shipped = recipe_of(run).task
    return task.at(shipped.given_from) if isinstance(shipped, LabelTask) else task


def tuned_for(recipe: Recipe, spec: str) -> Tuned:
    """The model that ``spec`` names, with the task of a recipe."""
    torch.manual_seed(0)
    model = build_for(recipe.task, spec)
    neighbours.read(model.module, Path(spec))
    return Tuned(model, recipe.task, recipe.data.columns, recipe.data.labels, recipe.training.precision)


def tell(recipe: Recipe, folder: Path) -> None:
    """Write beside a model what it was tuned for, as parts of a recipe, so that ``load`` knows without the run."""
    data = {"columns": recipe.data.columns, "labels": recipe.data.labels}
    task = {name_of(recipe.task): as_plain(recipe.task)}
    folders.write_json(folder / TOLD, {"task": task, "data": data, "training": {"precision": recipe.training.precision}})


def finished_run(which: str | Path, runs: str | Path) -> Path:
    """The folder of a run. Raises ``InputError`` where there is none, and for one that is not finished."""
    folder = folders.find(Path(runs), str(which))
    if not (folder / "scores.json").exists():
        raise InputError(Problem("the run is not finished", folders.resuming(folder), str(folder)))
    return folder


def is_model(which: str, runs: Path) -> bool:
    """Whether a model is meant and no run: a folder without a recipe, ``sample:name``, ``package:module/path`` or ``org/name``."""
    path = Path(which).expanduser()
    folder = next((place for place in (runs / which, path) if place.is_dir()), None)
    if folder is not None:
        return not any((folder / recipe).exists() for recipe in folders.RECIPES)
    return ":" in which or path.suffix == ".gguf" or (which.count("/") == 1 and not path.parent.is_dir())


def _ensemble(folder: Path) -> Ensemble:
    """The members of an ensemble, as they were. Raises ``InputError`` for one that is gone, ``IntegrityError`` for one that changed."""
    told = read_json(folder / ENSEMBLE)
    places = {member["name"]: folder / member["run"] for member in told["members"]}
    if gone := [place for place in places.values() if not (place / "model").is_dir()]:
        raise InputError(*(Problem("this member of the ensemble is gone", "Put its run back", str(place)) for place in gone))
    digests = {member["name"]: member["digest"] for member in told["members"]}
    if changed := [place for name, place in places.items() if digest(place / "model") != digests[name]]:
        remedy = "Put its model back, or combine the runs again"
        raise IntegrityError(*(Problem("this member of the ensemble is another model now", remedy, str(place)) for place in changed))
    members = {name: tuned_for(recipe_of(place), str(place / "model")) for name, place in places.items()}
    first = next(iter(members.values()))
    members = {name: replace(member, task=telling(member.task, told["how"])) for name, member in members.items()}
    weights = tuple(member["weight"] for member in told["members"])
    own = (first.model, shared([member.task for member in members.values()], weights), first.columns, first.labels, first.precision)
    return Ensemble(*own, members=members, how=told["how"], weights=weights)


def _routed(folder: Path) -> Routed:
    """The models of the stages of a sequence, and their router."""
    router, trunk = Router.read(folder)
    base = tuned_for(_told(folder / TOLD), trunk)
    stages = {name: _from_elsewhere(str(folder / name)) for name in router.stages}
    for stage in stages.values():
        lean(stage.model.module, base.model.module)
    return Routed(base.model, base.task, base.columns, base.labels, base.precision, router=router, stages=stages)


def _from_elsewhere(spec: str, task: str = "") -> Tuned:
    """A model that was exported from a run, or one that was tuned elsewhere; with a name of a ``task``, as one that does it."""
    if (Path(spec) / ROUTER).is_file():
        return _routed(Path(spec))
    source = resolve(spec)
    told = (source.adapter or source.path) / TOLD
    if told.exists() and not task:
        return tuned_for(_told(told), spec)
    model, known = ready(source, task)
    return Tuned(model, known, {}, named_labels(known), learns=not known.settings().get("labels"))


def _told(file: Path) -> Recipe:
    """What ``tell`` wrote, as a recipe."""
    told = read_json(file)
    try:
        return recipe_from({**told, "model": str(file.parent), "data": {"train": [], **told.get("data", {})}})
    except InputError as error:
        raise InputError(*(replace(problem, file=str(file)) for problem in error.problems)) from None
