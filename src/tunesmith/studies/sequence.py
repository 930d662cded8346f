"""Lifelong learning: after each stage of a sequence, all of them are judged, and what was forgotten is measured."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.run import seed_of
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import encode
from tunesmith.data.load import Data
from tunesmith.engine import distributed
from tunesmith.engine.precision import choose, device
from tunesmith.evaluate.score import predict
from tunesmith.metrics.lifelong import lifelong
from tunesmith.model.build import build_for
from tunesmith.model.files import read_json
from tunesmith.proof import judged_rows
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.report import folder as folders
from tunesmith.report import numbers
from tunesmith.tuned import decided

FILE = "across.json"  # how a stage's model does on the rows of every stage
MEASURES = {
    "average": "average of all stages at the end",
    "forgetting": "forgetting: how much better earlier stages once were",
    "backward_transfer": "backward transfer: earlier stages at the end, less when each was learned",
    "forward_transfer": "forward transfer: a stage before it was learned, less the model with its head untrained",
}


@dataclass(frozen=True)
class Matrix:
    """The primary metric on the rows of every stage (columns): of the model with its head untrained, then after each stage."""

    rows: list[list[float]] = field(default_factory=list)

    def __add__(self, other: Matrix) -> Matrix:
        return Matrix([*self.rows, *other.rows])

    def scores(self, recipe: Recipe) -> dict[str, Any]:
        """What ``scores.json`` says of a sequence."""
        untrained, *table = self.rows
        task = recipe.stages[0].task
        about = {"metric": task.primary, "stages": [stage.name for stage in recipe.stages], "untrained": untrained, "matrix": table}
        return {**about, **lifelong(table, untrained, task.higher_is_better)}


def labels_come_anew(stages: Sequence[Recipe], data: Sequence[Data]) -> list[bool]:
    """Of each stage whether it has labels that no stage before had, and names no rate; of the first that is not asked.

    The head has learned never to give them, so it needs the rate of a new one.
    """
    found, known = list[bool](), set[int]()
    for stage, part in zip(stages, data, strict=True):
        labels = {row["label"] for row in part.train} if getattr(stage.task, "kind", "") == "single" else set()
        named = stage.training.learning_rate or stage.training.head_rate
        found.append(bool(known) and not named and not labels <= known)
        known |= labels
    return found


def check_one_head(stages: Sequence[Recipe]) -> None:
    """Raise ``InputError`` where the stages of a sequence do not share one head: their labels differ, for example."""
    heads = [stage.task.head() for stage in stages]
    if all(head == heads[0] for head in heads):
        return
    labels = [getattr(stage.task, "labels", []) for stage in stages]
    union = list(dict.fromkeys(label for each in labels for label in each))
    named = "; ".join(f"{stage.name} has {', '.join(each[:8])}" for stage, each in zip(stages, labels, strict=True))
    remedy = f"Name all of them at the top: task: {{{name_of(stages[0].task)}: {{labels: {json.dumps(union, ensure_ascii=False)}}}}}"
    raise InputError(Problem(f"the stages of the sequence have different labels: {named}", remedy))


def across(recipe: Recipe, data: Sequence[Data], model: str, place: Path) -> Matrix:
    """The scores of a model on the rows of every stage. They are kept in ``place``, which is the folder of the stage it is of."""
    first, *others = recipe.stages
    recipe = replace(recipe, stages=[replace(first, task=decided(first.task, place)), *others])
    return Matrix([kept(place, lambda: {"metric": recipe.stages[0].task.primary, "scores": judged(recipe, data, model)})["scores"]])


def kept(place: Path, found: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``found`` returned when it was asked first, as JSON values that are kept in ``place``."""
    file = place / FILE
    if not file.exists():
        content = found()
        if distributed.first():
            folders.write_json(file, content)
        distributed.barrier()
    return read_json(file)


def judged(recipe: Recipe, data: Sequence[Data], model: str) -> list[float]:
    """The primary metric of a model on the rows by which each stage is judged."""
    return by_model(recipe, recipe.stages[0].task, model, [judged_rows(part) for part in data])


def by_model(recipe: Recipe, task: Task, model: str, parts: Sequence[Sequence[Row]]) -> list[float]:
    """The primary metric of ``task`` for a model of the sequence ``recipe``, on the rows of each of ``parts``."""
    torch.manual_seed(seed_of(recipe.seed, "head"))
    built = build_for(task, model)
    where = device()
    forward = Forward(built.module.to(where).eval(), where, choose(recipe.stages[0].training.precision, where))
    scores = on_each(task, forward, built.tokenizer, parts)
    del built, forward
    gc.collect()
    return scores


def on_each(task: Task, forward: Forward, tokenizer: Any, parts: Sequence[Sequence[Row]]) -> list[float]:
    """The primary metric on the rows of each of ``parts``."""
    found = [(predict(forward, encode(rows, task, tokenizer), task, tokenizer), rows) for rows in parts]
    return [task.verdict(predictions, rows) for predictions, rows in found]


def table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows: the scores on the rows of every stage, of the model as it is built and after each stage."""
    metric, names = found["metric"], found["stages"]
    rows = zip(["head untrained", *(f"after {name}" for name in names)], [found["untrained"], *found["matrix"]], strict=True)
    return ["judged on", *names], [[name, *(numbers.value(metric, value) for value in row)] for name, row in rows]


def measures(found: Mapping[str, Any]) -> list[str]:
    """What was kept and what was forgotten, in words."""
    return [f"{text} {numbers.value(found['metric'], found[name])}" for name, text in MEASURES.items() if found[name] is not None]


def section(found: Mapping[str, Any]) -> dict[str, Any]:
    """The matrix as a section of the report."""
    head, rows = table(found)
    return {
        "title": f"Learned and kept: {numbers.title(found['metric'])}",
        "kind": "table",
        "data": {"columns": [{"name": head[0]}, *({"name": name, "format": "figure"} for name in head[1:])], "rows": rows},
        "about": f"{'; '.join(measures(found))}.",
        "group": "Stages",
        "wide": True,
    }
