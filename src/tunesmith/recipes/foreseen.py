"""What can be told of a recipe before data and model are read: strategies that cannot be composed, and names that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from tunesmith.core.errors import Problem, concerning
from tunesmith.core.naming import run_named
from tunesmith.core.setting import Named
from tunesmith.data.settings import AUTO, SPLITS, DataSettings, share
from tunesmith.model.parts import parts_of
from tunesmith.recipes.document import Document
from tunesmith.recipes.find import name_of

if TYPE_CHECKING:
    from tunesmith.core.strategy import Strategy
    from tunesmith.core.task import Task


def refuse_conflicts(document: Document, strategies: Sequence[Strategy], task: Task | None) -> None:
    """Refuse strategies that exclude each other, and, where a ``task`` is given, those that need what nothing else gives."""
    if not strategies:
        return
    from tunesmith.engine.stack import clashes, lacks  # brings torch

    for problem in [*clashes(strategies), *(lacks(strategies, task) if task else ())]:
        refuse(document, problem)


def absent_models(model: str, base: Path) -> list[Problem]:
    """The folders and files among the models of a recipe that are not there."""
    from tunesmith.model.sources import absent

    specs = [spec for spec in parts_of(model).values() or [model] if spec and not (base / spec).exists()]
    return [problem.about("model") for spec in specs for problem in absent(spec)]


def absent_beside(strategies: Sequence[Strategy], task: Task, coming: Sequence[str]) -> Iterator[Problem]:
    """The files, runs and models that strategies and task name beside data and model, and that are not there.

    A setting of a strategy that takes any value names rows, from the working folder. What lies in a folder of ``coming`` is made later.
    """
    from tunesmith.data.source import absent as absent_rows
    from tunesmith.data.source import together
    from tunesmith.model.sources import absent as absent_model

    parts: list[tuple[Strategy | Task, str]] = [(strategy, strategy._key or name_of(strategy)) for strategy in strategies]
    for part, key in [*parts, (task, "task")]:
        hints = get_type_hints(type(part), include_extras=True)
        names_rows = part is not task and ":" not in name_of(part)
        for name, value in part.settings().items():
            if isinstance(value, str | Path) and (str(value) in ("", AUTO) or {*Path(value).parts} & {*coming} or run_named(str(value))):
                continue
            if hints[name] == Named:
                yield from (problem.about(f"{key}.{name}") for problem in absent_model(value))
            elif hints[name] is Any and names_rows:
                yield from (problem.about(f"{key}.{name}") for problem in absent_rows(together(value), Path()))


def refuse_absent(document: Document, model: str, data: DataSettings | None, base: Path) -> None:
    """Add what is not there to what else is wrong in a file. With nothing else wrong it may be read where what it names is gone."""
    if not document.problems or not document.place(()).file:
        return
    from tunesmith.data.collect import collecting
    from tunesmith.data.source import absent

    found = absent_models(model, base)
    named = (
        {split: getattr(data, split) for split in SPLITS} | {f"tests.{name}": given for name, given in data.tests.items()} if data else {}
    )
    for split, given in named.items():
        if given is not None and not (isinstance(given, str) and given == AUTO):
            with collecting(found), concerning(f"data.{split}"):
                found += [problem.about(f"data.{split}") for problem in ([] if share(given, split) else absent(given, base))]
    for problem in found:
        refuse(document, problem)


def refuse(document: Document, problem: Problem) -> None:
    """Write a problem that knows its key into ``document``."""
    keys = tuple(int(key) if key.isdecimal() else key for key in problem.key.split("."))
    document.refuse(keys, replace(problem, key=document.name(keys)).said, problem.remedy)
