"""A run of several stages: each is a run of its own in a folder inside, and begins with the model that the one before shipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DivergedError, InputError, InterruptedRunError, Problem
from tunesmith.core.observer import Observer
from tunesmith.core.strategy import Past
from tunesmith.core.words import Say
from tunesmith.data.collect import collecting
from tunesmith.data.load import Data, load
from tunesmith.deciding import check_watch
from tunesmith.engine import distributed
from tunesmith.engine.optimizer import DEFAULT_RATES
from tunesmith.engine.stack import Stack
from tunesmith.engine.tree import load_tree
from tunesmith.evidence import WORST
from tunesmith.model.adapters import merged as folded
from tunesmith.model.build import build_for
from tunesmith.model.files import ADAPTER_CONFIG
from tunesmith.model.save import save
from tunesmith.recipes import yaml
from tunesmith.recipes.find import name_of
from tunesmith.recipes.foreseen import absent_beside
from tunesmith.recipes.places import placing
from tunesmith.recipes.recipe import Recipe, recipe_from
from tunesmith.recipes.resolved import resolved, shortened
from tunesmith.report import folder as folders
from tunesmith.report.card import card
from tunesmith.report.facts import Facts
from tunesmith.report.page import page
from tunesmith.run import RESOLVED, Report, carry_out, describe, recipe_of
from tunesmith.studies.rehearsal import rehearse
from tunesmith.studies.sequence import Matrix, across, check_one_head, labels_come_anew
from tunesmith.studies.stages_report import beside_base, whole_facts, whole_scores

COPIED = ("model", "predictions", "tasks")  # folders of the last stage, or of the best trial, that the whole run has too


def carry_stages(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """Train the stages that are not finished yet, and report on all of them."""

    def say(message: str) -> None:
        for observer in watch:
            observer.say(message)

    data, places = prepare(recipe), places_of(recipe, folder)
    rehearse_all(recipe, data, places)
    matrix = across(recipe, data, recipe.model_spec, folder) if recipe.sequence else Matrix()
    for number, (stage, due) in enumerate(in_turn(recipe, data, places, say)):
        if due:
            with naming_rate(recipe, number):
                report = trained(stage, places[number], watch, data[number])
        if recipe.sequence:
            matrix += across(recipe, data, str(passed_on(stage, places[number])), places[number])
    say("judging the model of the last stage beside the untouched base")
    proof = beside_base(stage, recipe.model_spec, places[-1], data[-1])
    recipe = as_trained(recipe, places)
    last = replace(report.facts, errors=proof.errors(WORST), examples=proof.examples())
    scores = whole_scores(recipe, places, matrix, proof.scores)
    facts = whole_facts(recipe, folder, places, last, scores)
    if distributed.first():
        proof.write(folder)
        write(recipe, facts, places[-1], folder, ["model"])
    distributed.barrier()
    return Report(folder, scores, facts)


def places_of(recipe: Recipe, folder: Path) -> list[Path]:
    """The folders of the stages."""
    return [folder / label(recipe.stages, number) for number in range(len(recipe.stages))]


def in_turn(recipe: Recipe, data: Sequence[Data], places: Sequence[Path], say: Say) -> Iterator[tuple[Recipe, bool]]:
    """The stages in turn, each from the model that the one before shipped, and whether it is to be trained: the last one always is."""
    stages: list[Recipe] = []
    anew = labels_come_anew(recipe.stages, data) if recipe.sequence else [False] * len(places)
    for number, place in enumerate(places):
        before = places[number - 1] if stages else None
        stage = replace(recipe.stages[number], model=str(passed_on(stages[-1], before)) if before else recipe.model)
        if anew[number]:
            stage = replace(stage, training=replace(stage.training, head_rate=DEFAULT_RATES["head"][0] * stage.task.pace))
        stages.append(stage)
        due = place == places[-1] or not (place / "scores.json").exists()
        if due:
            say(f"stage {number + 1} of {len(places)}: {stage.name}")
            hand_on(stages, data, before)
        yield stage, due


def prepare(recipe: Recipe) -> list[Data]:
    """The data of every stage, whose tasks learn what they must know. Raises ``InputError`` with what is wrong in any stage."""
    problems: list[Problem] = []
    found: dict[int, Data] = {}
    for number, stage in enumerate(recipe.stages):
        with telling(recipe, number, problems):
            found[number] = load(stage.data, stage.task, stage.seed, stage.base_folder)
        with telling(recipe, number, problems):
            check_parts(stage, [label(recipe.stages, before) for before in range(number)])
    problems += unfit(recipe, list(found))
    if problems:
        raise InputError(*problems)
    if recipe.sequence:
        check_one_head(recipe.stages)
    return list(found.values())


def rehearse_all(recipe: Recipe, data: Sequence[Data], places: Sequence[Path]) -> None:
    """Raise ``InputError`` for what would keep any stage from beginning; one that names what another leaves is not tried."""
    problems: list[Problem] = []
    for number, place in enumerate(places):
        stage = recipe_of(recipe.stages[number], {})
        if (place / "scores.json").exists() or any(before.name in shortened(stage) for before in places[:number]):
            continue
        hand_on([*recipe.stages[:number], stage], data, None)
        with telling(recipe, number, problems):
            rehearse(stage, data[number])
    if problems:
        raise InputError(*problems)


def check_parts(recipe: Recipe, coming: Sequence[str] = ()) -> None:
    """Raise ``InputError`` for strategies that cannot be composed or do not fit the task, or that name files and models that are not there.

    ``coming`` are the folders of the stages before, which are not there yet.
    """
    problems = list(absent_beside(recipe.strategies, recipe.task, coming))
    with collecting(problems):
        Stack(recipe.strategies, recipe.task)
    with collecting(problems):
        check_watch(recipe, recipe.task)
    if problems:
        raise InputError(*problems)


def unfit(recipe: Recipe, known: Sequence[int]) -> list[Problem]:
    """What is wrong with the model in the stages whose data are ``known``: with the task of a stage, where it fits others."""
    problems: list[Problem] = []
    heads: list[Any] = []
    errors: dict[int, InputError] = {}
    for number in known:
        task = recipe.stages[number].task
        if task.head() not in heads:
            heads.append(task.head())
            try:
                build_for(task, recipe.model_spec)
            except InputError as error:
                errors[number] = error
    for number, found in errors.items():
        if len(errors) < len(heads):
            found.problems = [replace(problem, key="task") if problem.key == "model" else problem for problem in found.problems]
        with telling(recipe, number, problems):
            raise found
    return problems


@contextmanager
def telling(recipe: Recipe, number: int, problems: list[Problem]) -> Iterator[None]:
    """Add what is wrong with a stage to ``problems``, with its place in the recipe and the stage's name."""
    try:
        with placing(recipe.stages[number]):
            yield
    except InputError as error:
        name = label(recipe.stages, number)
        problems += [replace(problem, message=f"stage {name}: {problem.message}") for problem in error.problems]


@contextmanager
def naming_rate(recipe: Recipe, number: int) -> Iterator[None]:
    """A run that diverges in a stage names the learning rate of that stage."""
    try:
        yield
    except DivergedError as error:
        error.key = f"{'sequence' if recipe.sequence else 'stages'}.{number}.training.learning_rate"
        raise


def label(stages: Sequence[Recipe], number: int) -> str:
    """What a stage and its folder are called: ``2-reviews``."""
    return f"{number + 1:0{len(str(len(stages)))}d}-{stages[number].name}"


def trained(stage: Recipe, place: Path, watch: Sequence[Observer], data: Data | None, whole: Path | None = None) -> Report:
    """The report of one stage, from wherever it stands. An interruption names the whole run, in the folder around or in ``whole``."""
    with within(whole or place.parent, f"{'stage' if whole is None else 'alone,'} {place.name}"):
        settle_in(stage, place)
        return carry_out(stage, place, watch, data)


def settle_in(part: Recipe, place: Path) -> None:
    """Make the folder of a part of a run, and write what it begins with."""
    if distributed.first():
        place.mkdir(parents=True, exist_ok=True)
    distributed.barrier()
    describe(part, place)


@contextmanager
def within(whole: Path, part: str) -> Iterator[None]:
    """An interruption says in which ``part`` of a run it came, and how the whole of it goes on."""
    try:
        yield
    except InterruptedRunError as error:
        stopped = InterruptedRunError(f"{part}: {error.problems[0].message}", remedy=folders.resuming(whole))
        stopped.exit_code = error.exit_code
        raise stopped from error


def as_trained(recipe: Recipe, places: Sequence[Path]) -> Recipe:
    """The recipe with what ``strategies: auto`` chose in its stages."""
    return replace(recipe, stages=[decided(stage, place) for stage, place in zip(recipe.stages, places, strict=True)])


def decided(part: Recipe, place: Path) -> Recipe:
    """A part of a run with what ``strategies: auto`` chose in it, or in its stages, as it wrote it down."""
    if part.stages:
        return as_trained(part, places_of(part, place))
    if not part.auto:
        return part
    written, _ = yaml.read_file(place / RESOLVED)
    found = recipe_from({**written, "task": part.task, "data": part.data})
    return replace(part, strategies=found.strategies, watch=found.watch, training=found.training, auto=None)


def hand_on(stages: Sequence[Recipe], data: Sequence[Data], before: Path | None) -> None:
    """Tell the strategies of the last of ``stages`` what the others left; ``before`` is the folder of the one before it."""
    *earlier, now = stages
    rows = [data[number].train for number, stage in enumerate(earlier) if stage.task.head() == now.task.head()]
    memories = list(memories_of(earlier[-1], before)) if earlier and before else []
    for strategy in now.strategies:
        found = next((pair for pair in memories if pair[0] == name_of(strategy)), None)
        if found:
            memories.remove(found)
        strategy.inherit(Past(rows, found[1] if found else {}))


def memories_of(stage: Recipe, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each strategy of a finished stage held at its end, by its name."""
    newest = max((place / "checkpoints").glob("step-*"), default=None)
    if newest is not None and any(type(strategy).inherits for strategy in stage.strategies):
        memories = load_tree(newest / "memory")["strategies"]
        yield from zip(map(name_of, stage.strategies), memories, strict=True)


def passed_on(stage: Recipe, place: Path) -> Path:
    """The model that the next stage begins with: the one that was shipped, an adapter merged into its base."""
    if not (place / "model" / ADAPTER_CONFIG).exists():
        return place.resolve()
    merged, aside = place / "merged", place / ".merging"
    if distributed.first() and not merged.exists():
        shutil.rmtree(aside, ignore_errors=True)
        model = build_for(stage.task, str(place))
        model.module = folded(model.module)
        save(model, aside)
        aside.rename(merged)
    distributed.barrier()
    return merged.resolve()


def write(recipe: Recipe, facts: Facts, last: Path, folder: Path, copies: Sequence[str] = COPIED) -> None:
    """The files of the whole run: those of its ``last`` stage, or of its best trial, and the report of all.

    ``scores.json`` comes last and says that the run is finished.
    """
    for name in filter(lambda name: (last / name).exists(), copies):
        with replacing(folder / name) as aside:
            shutil.copytree(last / name, aside, copy_function=linked)
    shutil.copyfile(last / "data.json", folder / "data.json")
    folders.write_text(folder / RESOLVED, resolved(recipe))
    folders.write_text(folder / "README.md", card(facts))
    folders.write_text(folder / "report.html", page(facts))
    folders.write_json(folder / "scores.json", facts.scores)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder aside, which is not there yet and takes the place of ``folder`` in the end."""
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    yield aside
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def linked(source: str, target: str) -> None:
    """One file under two names, which takes no room; a copy where the file system has no such names."""
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
