"""Lifelong learning with a model of its own for each stage: none is touched by later ones, and a router sends each row to one of them."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.observer import Observer
from tunesmith.core.run import seed_of
from tunesmith.core.task import Prediction, Row
from tunesmith.data.encode import encode
from tunesmith.data.load import Data
from tunesmith.engine import distributed
from tunesmith.engine.precision import choose, device
from tunesmith.evaluate.score import predict
from tunesmith.evaluate.vectors import vectors
from tunesmith.model.build import Model, build_for
from tunesmith.model.files import read_json
from tunesmith.model.routing import Router, Seen, evenly, seen
from tunesmith.model.surgery import amount
from tunesmith.proof import judged_rows
from tunesmith.recipes.recipe import Recipe
from tunesmith.report import numbers
from tunesmith.report.facts import Facts
from tunesmith.run import Report
from tunesmith.studies.sequence import Matrix, across, kept
from tunesmith.studies.stages import as_trained, linked, naming_rate, places_of, prepare, replacing, trained, write
from tunesmith.studies.stages_report import whole_facts, whole_scores
from tunesmith.tuned import decided, tell

LARGE = 0.5  # share of its weights from which a stage is said to keep a whole model

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """The rows of a stage as the frozen base sees them: what the router keeps of those trained on, and vectors of those judged."""

    seen: Seen
    judged: Vectors


@dataclass(frozen=True)
class Routed:
    """How the models so far do on the rows of every stage, each row answered by the one that it is routed to.

    ``scores``  the primary metric by stage; ``sent`` of each stage, how many of its rows went to each of the models so far
    """

    scores: list[float]
    sent: list[list[int]]


def carry_routed(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """Train the stages that are not finished yet, each from the base, and report on all of them and on the router."""

    def say(message: str) -> None:
        for observer in watch:
            observer.say(message)

    data = prepare(recipe)
    places = places_of(recipe, folder)
    views = seen_by_base(recipe, data)
    held = ", ".join(f"{name} {len(view.seen.prototypes)} of {view.seen.count:,} rows" for name, view in views.items())
    say(f"router: prototypes of {held}")
    matrix, found = across(recipe, data, recipe.model_spec, folder), list[Routed]()
    for number, (stage, place) in enumerate(zip(recipe.stages, places, strict=True)):
        if place == places[-1] or not (place / "scores.json").exists():
            say(f"stage {number + 1} of {len(places)}: {stage.name}")
            with naming_rate(recipe, number):
                report = trained(stage, place, watch, data[number])
            say(weights(stage.name, report.facts.parameters))
        found.append(judged(recipe, data, views, places[: number + 1]))
        matrix += Matrix([found[-1].scores])
        if number:
            say(f"router: {numbers.share(right(found[-1].sent))} of the rows of the stages so far find the model of theirs")
    recipe = as_trained(recipe, places)
    if distributed.first():
        scores = whole_scores(recipe, places, matrix, read_json(places[-1] / "scores.json"))
        scores["sequence"]["router"] = {"right": right(found[-1].sent), "sent": found[-1].sent}
        write_models(recipe, views, places, folder)
        write(recipe, facts_of(recipe, folder, places, report.facts, scores), places[-1], folder, ["predictions"])
    distributed.barrier()
    scores = read_json(folder / "scores.json")
    return Report(folder, scores, facts_of(recipe, folder, places, report.facts, scores))


def facts_of(recipe: Recipe, folder: Path, places: Sequence[Path], last: Facts, scores: dict[str, Any]) -> Facts:
    """The facts of the last stage as those of the whole run, whose models no other library routes to."""
    facts = whole_facts(recipe, folder, places, last, scores)
    return replace(facts, auto="", sections=[*facts.sections, section(scores["sequence"])])


def seen_by_base(recipe: Recipe, data: Sequence[Data]) -> dict[str, View]:
    """The rows of every stage, by its name, as the base sees them. Raises ``InputError`` for a task whose rows are no one vector."""
    assert recipe.routing is not None
    task, found = recipe.stages[0].task, {}
    model, forward = loaded(recipe, recipe.model_spec)

    def look(rows: Sequence[Row]) -> Vectors:
        return vectors(forward, encode([task.asked(row) for row in rows], task, model.tokenizer), task, model.tokenizer)

    try:
        for stage, part in zip(recipe.stages, data, strict=True):
            known = seen(look(evenly(part.train, recipe.routing.num_rows)), recipe.routing.prototypes)
            found[stage.name] = View(known, look(judged_rows(part)))
    except (ValueError, AttributeError, TypeError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        message = f"the base has no one vector for a row of this task, by which it could be routed ({reason})"
        raise InputError(Problem(message, "Take routing out")) from error
    return found


def weights(name: str, parts: Sequence[Mapping[str, Any]]) -> str:
    """A line for the user: how many weights a stage learned, which is what it keeps beside the base."""
    learned, total = (sum(part[which] for part in parts) for which in ("learning", "total"))
    remedy = "; lora or adapter would keep a small part" if learned > LARGE * total else ""
    return f"router: stage {name} keeps {amount(learned)} weights of its own, of {amount(total)}{remedy}"


def judged(recipe: Recipe, data: Sequence[Data], views: Mapping[str, View], places: Sequence[Path]) -> Routed:
    """Judge the models in ``places``, those of the first stages, together. The result is kept in the last of them."""

    def compute() -> dict[str, Any]:
        task, names = recipe.stages[0].task, list(views)[: len(places)]
        router = Router({name: views[name].seen for name in names})
        routes = [router.nearest(view.judged) for view in views.values()]
        answers = answered(recipe, [judged_rows(part) for part in data], routes, dict(zip(names, places, strict=True)))
        scores = [task.verdict(own, judged_rows(part)) for own, part in zip(answers, data, strict=True)]
        return {"metric": task.primary, "scores": scores, "sent": [[route.count(name) for name in names] for route in routes]}

    found = kept(places[-1], compute)
    return Routed(found["scores"], found["sent"])


def answered(
    recipe: Recipe, parts: Sequence[Sequence[Row]], routes: Sequence[Sequence[str]], places: Mapping[str, Path]
) -> list[list[Prediction]]:
    """A prediction for each row of ``parts``, by the model that ``routes`` names; one model is in memory at a time."""
    task, found = recipe.stages[0].task, [dict[int, Prediction]() for _ in parts]
    for name, place in places.items():
        model, forward = loaded(recipe, str(place))
        for rows, route, answers in zip(parts, routes, found, strict=True):
            if own := [row for row, to in enumerate(route) if to == name]:
                items = encode([rows[row] for row in own], task, model.tokenizer)
                answers.update(zip(own, predict(forward, items, decided(task, place), model.tokenizer), strict=True))
        del model, forward
        gc.collect()
    return [[answers[row] for row in range(len(answers))] for answers in found]


def loaded(recipe: Recipe, spec: str) -> tuple[Model, Forward]:
    """A model with the head of the task, and its pass."""
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model, where = build_for(recipe.stages[0].task, spec), device()
    return model, Forward(model.module.to(where).eval(), where, choose(recipe.stages[0].training.precision, where))


def write_models(recipe: Recipe, views: Mapping[str, View], places: Sequence[Path], folder: Path) -> None:
    """In ``model``, the model of each stage under its name, and the router."""
    with replacing(folder / "model") as aside:
        for stage, place in zip(recipe.stages, places, strict=True):
            shutil.copytree(place / "model", aside / stage.name, copy_function=linked)
            tell(replace(stage, task=decided(stage.task, place)), aside / stage.name)
        tell(recipe.stages[-1], aside)
        Router({name: view.seen for name, view in views.items()}).write(aside, recipe.model_spec)


def right(sent: Sequence[Sequence[int]]) -> float:
    """The share of the rows of the stages so far that went to the model of their stage."""
    known = np.array(sent)[: len(sent[0])]
    return float(np.trace(known) / known.sum())


def section(found: dict[str, Any]) -> dict[str, Any]:
    """Where the router sent the rows of each stage in the end, as a section of the report."""
    names, sent = found["stages"], found["router"]["sent"]
    rows = [[name, *(numbers.share(count / sum(counts)) for count in counts)] for name, counts in zip(names, sent, strict=True)]
    about = "With all stages learned, each row went to the model whose training rows are nearest, as the base sees them: "
    return {
        "title": "Router",
        "kind": "table",
        "data": {"columns": [{"name": "rows of"}, *({"name": f"to {name}", "format": "figure"} for name in names)], "rows": rows},
        "about": f"{about}{numbers.share(found['router']['right'])} to that of their own stage.",
        "group": "Stages",
        "wide": True,
    }
