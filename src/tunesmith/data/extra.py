"""Rows beside those that a run trains on: of the past, of another domain, without labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.naming import RESOLVED, run_named
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.examples import checked, in_order, inputs, read_examples, read_roles
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.data.source import together


def extra(spec: Any, task: Task, tokenizer: Any, base: Path | None = None, labelled: bool = True) -> Encoded:
    """The rows that ``spec`` names, encoded by the task of a run. See ``extra_rows``."""
    return encode(extra_rows(spec, task, base, labelled), task, tokenizer)


def extra_rows(spec: Any, task: Task, base: Path | None = None, labelled: bool = True) -> Sequence[Row]:
    """The rows that ``spec`` names, as ``task.read`` returns them; the task has learned what it must know, label names above all.

    ``spec`` is a run, by its folder or its name, which means its training rows, or of several stages or tasks the rows of those that are
    of this task; or whatever ``data.train`` of a recipe can be, or a folder without a train file, which means all of its files. Paths
    start from ``base``. Columns of files are found by their names. Without ``labelled`` the truth is not looked at, and is in no row.
    Raises ``InputError`` with every row that the task cannot use: one with a label that it does not know, for example.
    """
    if isinstance(spec, str | Path) and (run := run_named(str((base or Path()) / spec)) or run_named(str(spec))):
        rows = _of_run(run / RESOLVED, task)
        return rows if labelled else [{role: row[role] for role in row if role in unanswered(task)} for row in rows]
    spec = together(spec, base)
    if labelled:
        return read_examples(spec, task, base=base)[0]
    raw, headers, bad = read_roles(spec, task, None, truth=False, base=base)
    examples, unreadable = checked(raw.renamed({role: role for role in inputs(raw, task)}), task, headers)
    if bad := in_order(bad + unreadable):
        raise InputError(*bad)
    return examples


def unanswered(task: Task) -> set[str]:
    """The roles of a task's columns that do not hold the answer."""
    return {column.role for column in task.columns() if not column.truth}


def _of_run(recipe: Path, task: Task) -> list[Row]:
    """The training rows of a run, or of those of its parts that are of the task: what it held out to judge by is left out here too."""
    from ruamel.yaml import YAML

    written = YAML(typ="safe", pure=True).load(recipe.read_text(encoding="utf-8"))
    several = written.get("stages") or written.get("sequence") or list(written.get("tasks", {}).values())
    parts = [part for part in several if _answers(part.get("task") or written["task"], task)] if several else [written]
    remedy = "Name the file of the rows instead"
    if not parts:
        raise InputError(Problem("no part of this run has the task and the labels of this one", remedy, str(recipe.parent)))
    rows: list[Row] = []
    for part in parts:
        settings = DataSettings(**part["data"])
        try:
            rows += load(settings, copy.deepcopy(task), written["seed"], Path(written["base_folder"])).train
        except InputError as error:
            named = [replace(problem, key="") for problem in error.problems]  # a setting of that run, not of this one
            raise InputError(Problem("the training rows of this run cannot be used", remedy, str(recipe.parent)), *named) from None
    return rows


def _answers(written: Mapping[str, Any], task: Task) -> bool:
    """Whether the rows of a task, as a recipe has it written down, are answered as those of ``task``, which knows all of their labels."""
    ((name, settings),) = written.items()
    own = type(task)
    known = {own.__module__.rpartition(".")[2], f"{own.__module__}:{own.__qualname__}"}  # a task of tunesmith's, or of the user's own
    alike = name in known and settings.get("kind") == getattr(task, "kind", None)
    return alike and set(settings.get("labels", ())) <= set(getattr(task, "labels", ()))
