"""A run from its recipe to its report: the one file that knows every stage."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from tunesmith.core.errors import DiskError, DivergedError, InputError, InterruptedRunError, Problem, TunesmithError
from tunesmith.core.naming import naming
from tunesmith.core.observer import Observer
from tunesmith.core.run import seed_of
from tunesmith.core.task import Row
from tunesmith.core.words import Say
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.load import Data, load
from tunesmith.deciding import settled
from tunesmith.engine import distributed
from tunesmith.engine.checkpoint import INTERRUPTED, Checkpoints, process_exit
from tunesmith.engine.events import EventLog, read_events, training_time
from tunesmith.engine.loop import Fitted, fit
from tunesmith.evaluate.score import predict, scorer
from tunesmith.evidence import command, gather
from tunesmith.model.build import build_for
from tunesmith.model.save import save
from tunesmith.proof import Proof, prove
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe, read_recipe, recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.report import folder as folders
from tunesmith.report.card import card
from tunesmith.report.facts import KEPT, Facts
from tunesmith.report.page import page

RECIPE, RESOLVED = folders.RECIPES
EVENTS = "events.jsonl"
T = TypeVar("T")
NAMED = 8  # rows of a step that are named where its loss is not finite


@dataclass(frozen=True)
class Report:
    """What a run left: its folder and the content of ``scores.json``; ``facts`` is everything that the report page shows."""

    folder: Path
    scores: dict[str, Any] = field(repr=False)
    facts: Any = field(repr=False)


Carry = Callable[[Recipe, Path, Sequence[Observer]], Report]


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
    Raises ``InputError`` before any work for what is wrong in the recipe or the data, and for a run that exists already.
    """
    made = recipe_of(recipe, keys)
    if several := "stages" if made.stages else "tasks" if made.tasks else "trials" if made.search else "runs" if made.ensemble else "":
        raise InputError(f"The recipe has several {several}", remedy="Give it to tunesmith.train")
    return begun(made, (Path(runs), run), watch, carry_out)


def begun(recipe: Recipe, place: tuple[Path, str | None], watch: Sequence[Observer], carry: Carry) -> Report:
    """Make the folder of a new run, and carry the recipe out in it. ``place`` is the folder of runs, and its name or None."""
    with distributed.group(), naming(place[0]):
        runs, name = place[0], recipe.name if place[1] is None else place[1]
        by_first(lambda: folders.create(runs, name))
        folder = runs / name
        with alone(folder), leaving(recipe, folder, new=True):
            describe(recipe, folder)
            return carry(recipe, folder, watch)


def describe(recipe: Recipe, folder: Path) -> None:
    """Write what a run begins with, where that is not there yet."""
    if distributed.first() and not (folder / RECIPE).exists():
        folders.write_json(folder / folders.ENVIRONMENT, folders.environment())
        folders.write_text(folder / RECIPE, shortened(recipe))
    distributed.barrier()


def recipe_of(recipe: Recipe | Mapping[str, Any] | str | Path | None, keys: Mapping[str, Any]) -> Recipe:
    """The one recipe that was given, in whichever form. Raises ``InputError`` for two, or none."""
    if (recipe is None) == (not keys):
        named = f"Name the run by run={keys['name']!r}" if recipe is not None and "name" in keys else ""
        raise InputError("Give a recipe, or its keys by name: model, task and data", remedy=named)
    if isinstance(recipe, Recipe):  # the caller's own stays as it is, and can be trained again: tasks and strategies learn
        strategies, watch = [copy.copy(part) for part in recipe.strategies], [copy.copy(part) for part in recipe.watch]
        stages = [recipe_of(stage, {}) for stage in recipe.stages]
        tasks = {name: recipe_of(part, {}) for name, part in recipe.tasks.items()}
        membership = replace(recipe.membership, strategies=[copy.copy(part) for part in recipe.membership.strategies])
        return replace(
            recipe, task=copy.copy(recipe.task), strategies=strategies, watch=watch, stages=stages, tasks=tasks, membership=membership
        )
    return read_recipe(recipe) if isinstance(recipe, str | Path) else recipe_from(keys if recipe is None else recipe)


def resumed(recipe: Recipe, folder: Path, watch: Sequence[Observer], carry: Carry) -> Report:
    """Carry the recipe out in the folder of a run that has begun."""
    with distributed.group(), naming(folder.resolve().parent), alone(folder), leaving(recipe, unfinished(folder), new=False):
        return carry(recipe, folder, watch)


def unfinished(folder: Path) -> Path:
    """The folder of a run. Raises ``InputError`` where it is finished."""
    if (folder / "scores.json").exists():
        remedy = "Train it under another name, with more epochs, or look at its report.html"
        raise InputError(Problem("this run is finished", remedy, str(folder)))
    return folder


def by_first(what: Callable[[], T]) -> T | None:
    """What the first process found, None in the others; what is refused there is refused in all of them."""
    found, refusal = None, None
    if distributed.first():
        try:
            found = what()
        except TunesmithError as error:
            refusal = error
    if distributed.any_rank(refusal is not None):
        raise refusal or InputError("The first process was refused")
    return found


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else works in the folder of a run meanwhile. Raises ``InputError`` where somebody does."""
    lock = by_first(lambda: folders.lock(folder))
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def leaving(recipe: Recipe, folder: Path, new: bool) -> Iterator[None]:
    """Tidy up after a run that does not reach its end: a new one that took no step leaves nothing, others are told how to go on."""
    try:
        yield
    except BaseException as error:
        stepped = any(any(folder.glob(f"{inner}checkpoints")) for inner in ("", "*/", "*/*/"))
        if new and not stepped and distributed.first():
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()  # where other runs are, it stays
        if isinstance(error, KeyboardInterrupt) and (stepped or not new):
            raise InterruptedRunError("Stopped at once", remedy=folders.resuming(folder)) from error
        if isinstance(error, DiskError | DivergedError) and (way := way_on(error, recipe, folder)):
            *others, last = error.problems
            error.problems = [*others, replace(last, remedy=f"{last.remedy}. {way}")]
        raise


def way_on(error: DiskError | DivergedError, recipe: Recipe, folder: Path) -> str:
    """How to go on with a run that ended with an error; empty where a command cannot say it, or nothing is there to go on with."""
    if not folder.exists():
        return ""
    if isinstance(error, DiskError):
        return folders.resuming(folder)
    again = command(recipe, folder)
    return f"Train again under another name: `{again} {error.key}={error.rate:g}`" if again else ""


def carry_out(recipe: Recipe, folder: Path, watch: Sequence[Observer], data: Data | None = None) -> Report:
    """recipe -> data -> model -> strategies -> fit -> evaluate -> report. ``data`` are those of the recipe, where they are read already."""
    say = speaker(watch)
    learned = learn(recipe, folder, watch, data, say)
    fitted, events = learned.fitted, read_events(folder / EVENTS)
    say("judging the tuned model, its base and simple baselines on the same rows")
    proof = prove(learned.recipe, fitted, learned.data, training_time(events), say)
    shipped = replace(learned.recipe, task=proof.task)
    facts = gather(shipped, fitted, learned.rows, learned.data, proof, folder)
    if distributed.first():
        write(shipped, fitted, proof, facts, folder)
    distributed.barrier()
    return Report(folder, proof.scores, facts)


def speaker(watch: Sequence[Observer]) -> Say:
    """What tells all observers a line for the user."""

    def say(message: str) -> None:
        for observer in watch:
            observer.say(message)

    return say


@dataclass(frozen=True)
class Learned:
    """A model that is trained and not judged yet: by which recipe, with what it left open decided; on which data, and as which items."""

    recipe: Recipe
    data: Data
    rows: Encoded
    fitted: Fitted


@placed
def learn(recipe: Recipe, folder: Path, watch: Sequence[Observer], data: Data | None, say: Say) -> Learned:
    """recipe -> data -> model -> strategies -> fit, from wherever the run in ``folder`` stands. ``say`` is told of data and model.

    Raises ``InterruptedRunError`` where it was asked to stop.
    """
    task, seed = recipe.task, recipe.seed
    data = data or load(recipe.data, task, seed, recipe.base_folder)
    for note in data.notes:
        say(note)
    torch.manual_seed(seed_of(seed, "head"))
    model = build_for(task, recipe.model_spec, say)
    say(model.about)
    decided: list[str] = []
    recipe = settled(recipe, data, model, decided.append)
    training = recipe.training
    rows = encode(data.train, task, model.tokenizer)
    if rows.truncated:
        say(f"cut: {rows.truncated:,} of {len(rows):,} training rows, by {task.bounds}")
    validation: Sequence[Row] = data.validation or []
    judged = encode(validation, task, model.tokenizer)
    score = scorer(task, validation, judged, model.tokenizer, say) if validation else None
    checkpoints = Checkpoints(folder / "checkpoints", training.keep, {"recipe": recipe_hash(recipe), "data": data.fingerprint})
    events = EventLog(folder / EVENTS, training.log_every)
    for line in decided:
        say(line)
        events.say(line)
    with rows_named(lambda row: data.train.place(row) if 0 <= row < len(data.train) else None):
        fitted = fit(model, task, rows, recipe.strategies, training, score, [*recipe.watch, *watch, events, checkpoints])
    if fitted.reason == INTERRUPTED:
        raise interruption(folder, fitted.run.clock.step, checkpoints.interrupted_by())
    if training.ship == "best":
        checkpoints.load_best(fitted.run)
    fitted.run.let_go()
    fitted.run.model.eval()
    for strategy in recipe.strategies:
        strategy.settle(fitted.run, lambda: predict(fitted.run.forward, judged, task, model.tokenizer, say=say), validation)
    return Learned(recipe, data, rows, fitted)


@contextmanager
def rows_named(place: Callable[[int], tuple[str, int] | None]) -> Iterator[None]:
    """A divergence names the file and line of the rows of its step; ``place`` knows none for rows that a strategy added."""
    try:
        yield
    except DivergedError as error:
        found = dict.fromkeys(f"{where[0]}:{where[1]}" for row in error.rows if (where := place(row)))
        if found:
            more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
            problem = error.problems[0]
            error.problems = [replace(problem, message=f"{problem.message}, on the rows {', '.join([*found][:NAMED])}{more}")]
        raise


def write(recipe: Recipe, fitted: Fitted, proof: Proof, facts: Facts, folder: Path) -> None:
    """The files of a finished run; ``scores.json`` comes last and says that it is finished."""
    folders.write_text(folder / RESOLVED, resolved(recipe))
    folders.write_json(folder / "data.json", {name: getattr(facts, name) for name in KEPT})
    save(fitted.model, folder / "model")
    for path, content in recipe.task.files(fitted.model.module).items():
        (folder / "model" / path).parent.mkdir(exist_ok=True)
        folders.write_json(folder / "model" / path, content)
    proof.write(folder)
    folders.write_text(folder / "README.md", card(facts))
    folders.write_text(folder / "report.html", page(facts))
    folders.write_json(folder / "scores.json", proof.scores)


def interruption(folder: Path, step: int, number: int) -> InterruptedRunError:
    """The error that ends an interrupted run: where it stands, and how to go on."""
    error = InterruptedRunError(f"Stopped after step {step}; everything is saved", remedy=folders.resuming(folder))
    error.exit_code = process_exit(number)
    return error
