"""Rows without labels beside those of a run: of the domain that the model is for, or more of the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.naming import run_named
from tunesmith.core.run import Run
from tunesmith.core.task import Row
from tunesmith.core.words import counted
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import Encoded
from tunesmith.data.examples import read_roles, truths
from tunesmith.data.extra import extra
from tunesmith.data.labels import names_of
from tunesmith.data.source import together

POSITIONS = 8192  # in one forward pass, padding included


def unlabelled(spec: Any, run: Run, strategy: str, key: str) -> Encoded:
    """The rows that ``spec`` names, encoded by the task of a run; the setting ``key`` of ``strategy`` says which.

    Labels are not read; that there are some which the run does not know is told, since the data may be of another task. Raises
    ``InputError`` where there are no rows.
    """
    if spec is None or (isinstance(spec, str | list) and not spec):
        raise InputError(Problem(f"{strategy}: there are no rows without labels", f"Name a file: {strategy}: {{{key}: FILE}}"))
    rows = extra(spec, run.task, run.tokenizer, labelled=False)
    run.say(f"{strategy}: {counted(len(rows.rows), 'row')} without labels")
    if odd := unknown_labels(spec, run):
        few = ", ".join(odd[:5]) + (f" and {len(odd) - 5:,} more" if len(odd) > 5 else "")
        run.say(f"{strategy}: the rows of {key} have labels that this run has not: {few}. They are not read, but is the task the same?")
    return rows


def unknown_labels(spec: Any, run: Run) -> list[str]:
    """The labels in a file that are none of the run's, in order; none for rows without labels, and tasks without names of labels."""
    known = set(getattr(run.task, "labels", ()))
    if len(known) < 2 or (isinstance(spec, str | Path) and run_named(str(spec))):
        return []
    rows, _, _ = read_roles(together(spec), run.task, None, truth=False)
    return sorted({name for role in truths(rows, run.task) for value in rows.column(role) for name in names_of(value) if name} - known)


def drawn(rows: Encoded, num: int, run: Run, name: str) -> list[Row]:
    """``num`` of the rows, drawn anew for ``name`` at each step and micro-batch."""
    chosen = torch.randint(len(rows), (num,), generator=run.generator(name)).tolist()
    return [rows[item] for item in chosen]


def batch_of(rows: list[Row], run: Run) -> Batch:
    """Encoded rows as a batch on the run's device."""
    return run.task.collate(rows, run.tokenizer).to(run.device)


def passes(rows: Encoded | Any, run: Run) -> Iterator[tuple[list[int], Batch]]:
    """All of the rows once, those of like length together: the numbers of some, and a batch of them."""
    for items in length_batches(rows.lengths, POSITIONS):
        yield items.tolist(), batch_of([rows[item] for item in items.tolist()], run)
