"""A finished run under audit: how groups of rows fare with it, and whether it says the same when words are swapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import LabelTask
from tunesmith.core.task import Prediction, Task
from tunesmith.data import load as data
from tunesmith.data.columns import GROUP
from tunesmith.data.counterfactual import swapped
from tunesmith.data.encode import encode
from tunesmith.data.examples import Examples, duplicate_keys, inputs
from tunesmith.data.split import digests
from tunesmith.evaluate.groups import audit
from tunesmith.evaluate.threshold import decided
from tunesmith.metrics.interval import bootstrap
from tunesmith.model.files import read_json
from tunesmith.proof import Untuned
from tunesmith.recipes.recipe import Recipe
from tunesmith.tuned import RESOLVED, Tuned, finished_run, is_model, recipe_of, tasks_of

SHOWN = 5  # predictions that changed


def rows_of(which: str | Path, runs: str | Path, tuned: Tuned, file: str | None, group: str) -> Examples:
    """The rows to audit with their truth: of ``file``, or those that the run was judged on. Their groups come from the column ``group``.

    Raises ``InputError`` for a model without a run where no file is given, and for rows without that column.
    """
    if file is not None:
        columns = {**tuned.columns, **({GROUP: group} if group else {})}
        found = replace(tuned, columns=columns).examples(file, truth=True)
    else:
        found = next(iter(own_rows(which, runs, {GROUP: group} if group else {}).values()))
    if group and GROUP not in found.rows.columns:
        raise InputError(Problem(f"the rows have no column '{group}'", "Name the column that says which group a row is of: --group COLUMN"))
    return found


def own_rows(which: str | Path, runs: str | Path, columns: Mapping[str, str] | None = None) -> dict[str, Examples]:
    """The rows that a run was judged on, by name: of its test, or validation, or training data, then of further tests.

    The model of one task of several, or of a stage, has the rows of that. Raises ``InputError`` for a model without a run, and for a run of
    several tasks.
    """
    recipe = _recipe_behind(which, runs)
    if recipe is None:
        if is_model(str(which), Path(runs)):
            raise InputError(Problem("a model that has left its run has no rows of its own", "Name some: --data FILE", str(which)))
        message = "the run has several tasks, each with rows of its own"
        raise InputError(Problem(message, "Name one, --task NAME, or some rows, --data FILE", str(which)))
    settings = replace(recipe.data, columns={**recipe.data.columns, **(columns or {})})
    return data.load(settings, recipe.task, recipe.seed, recipe.base_folder).judged()


def trained_on(which: str | Path, runs: str | Path, examples: Examples) -> int | None:
    """How many of the rows a run was trained on, the same input in other letters or blanks among them; None where that is not known.

    It is not for a model that has left its run, for a run of several tasks, and where the training data are gone or were in memory. Of
    several stages the rows of the last are looked at.
    """
    recipe = _recipe_behind(which, runs)
    if recipe is None:
        return None
    try:
        train = data.load(recipe.data, recipe.task, recipe.seed, recipe.base_folder).train
    except InputError:
        return None
    known, asked = (digests(duplicate_keys(rows, recipe.task)) for rows in (train.rows, examples.rows))
    return int(np.isin(asked, known).sum())


def _recipe_behind(which: str | Path, runs: str | Path) -> Recipe | None:
    """The recipe with the rows of a run, or of the task or stage whose model in a run is meant; None where there is none, or several."""
    if not is_model(str(which), Path(runs)):
        folder = finished_run(which, runs)
        return None if tasks_of(folder) else recipe_of(folder)
    model = Path(which).expanduser()
    folder = model.parent.parent
    if model.parent.name != "model" or not (folder / RESOLVED).exists():
        return None
    stage = next(iter(folder.glob(f"[0-9]*-{model.name}")), None)
    return recipe_of(folder).tasks.get(model.name) if stage is None else recipe_of(stage)


def told(seen: int, rows: int) -> str:
    """That rows which are judged were trained on, for people."""
    return f"THE MODEL WAS TRAINED ON {seen:,} OF THESE {rows:,} ROWS: expect less on new ones."


def by_group(which: str | Path, runs: str | Path, tuned: Tuned, examples: Examples) -> dict[str, Any]:
    """``primary``, ``examples`` and ``groups`` as in ``scores.json``, of the run and of its base, which a model without a run has not.

    Raises ``InputError`` where rows have no groups, and for a task whose answers are no labels.
    """
    if GROUP not in examples.rows.columns:
        raise InputError(Problem("nothing says which group a row is of", "Name a column: --group COLUMN, or data.columns: {group: COLUMN}"))
    truths, task = list(examples), tuned.task
    models = {"tuned": tuned.predictions(truths, tuned.forward())}
    found: dict[str, Any] = {"primary": task.primary, "examples": len(truths)}
    if not is_model(str(which), Path(runs)):
        folder = finished_run(which, runs)
        recipe = replace(recipe_of(folder), task=task)
        found["base_is"], base = Untuned(recipe, truths, encode(truths, task, tuned.model.tokenizer)).answers(truths)
        models = {"base": _by_own_threshold(base, task, folder), **models}
    found["groups"] = audit(task, examples.rows.column(GROUP), truths, models)
    if not found["groups"]:
        raise InputError(
            Problem("the answers of this task are no labels", "Audit a classification: the rates of groups are those of labels")
        )
    return found


def _by_own_threshold(base: list[Prediction], task: Task, run: Path) -> list[Prediction]:
    """What the base answers by the threshold that was chosen for it, where the tuned model answers by its own, too."""
    chosen = read_json(run / "scores.json").get("thresholds", {})
    if not isinstance(task, LabelTask) or "base" not in chosen or task.threshold != chosen["tuned"]:
        return base
    return decided(task, base, chosen["base"])


def counterfactual(tuned: Tuned, examples: Examples, words: Mapping[str, str]) -> dict[str, Any]:
    """What becomes of predictions when ``words`` are swapped in the rows that have any.

    ``rows`` were looked at, ``swapped`` have such words, ``changed`` are predicted otherwise then: a ``share`` of those, with ``ci95``.
    ``shift`` is by how much probabilities moved on average, those that moved most in each row. ``examples`` are the first that changed.
    Raises ``InputError`` where no row has one of the words.

    Source: Garg et al. 2019, "Counterfactual Fairness in Text Classification through Robustness", section 3.
    """
    others, changed_texts = examples.rows, np.zeros(len(examples), bool)
    for role in inputs(examples.rows, tuned.task):
        values = others.column(role)
        texts = [swapped(value, words) if isinstance(value, str) else value for value in values]
        changed_texts |= np.array([one != other for one, other in zip(values, texts, strict=True)])
        others = others.replaced(role, texts)
    chosen = np.flatnonzero(changed_texts)
    if not len(chosen):
        raise InputError(Problem("no row has one of the words", "Give pairs of words that the rows have"))
    sides = [list(Examples(rows.select(chosen), tuned.task)) for rows in (examples.rows, others)]
    before, after = (tuned.predictions(side, tuned.forward()) for side in sides)
    pairs = zip(sides, (before, after), strict=True)
    answers = [[tuned.task.shown(row, one) for row, one in zip(side, found, strict=True)] for side, found in pairs]
    changed = np.array([one["predicted"] != other["predicted"] for one, other in zip(*answers, strict=True)], float)
    share, low, high = bootstrap(lambda rows: float(changed[rows].mean()), len(changed))
    task = tuned.task
    shift = float((task.table(before) - task.table(after)).abs().amax(dim=1).mean()) if isinstance(task, LabelTask) else None
    flipped = [
        {"text": one["text"], "swapped": other["text"], "before": one["predicted"], "after": other["predicted"]}
        for one, other, moved in zip(*answers, changed, strict=True)
        if moved
    ]
    counts = {"rows": len(examples), "swapped": len(chosen), "changed": int(changed.sum())}
    return {**counts, "share": share, "ci95": [low, high], "shift": shift, "examples": flipped[:SHOWN]}
