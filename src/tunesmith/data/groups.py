"""Which group a row is of: a value of the column that ``data.columns: {group: COLUMN}`` names, by number in the order of the names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.data.encode import numbers_of, whole_numbers

Groups = npt.NDArray[np.int64]


def groups_of(rows: Sequence[Any], strategy: str) -> Groups:
    """The group of each encoded row, (rows,). Raises ``InputError`` where they have none."""
    groups = whole_numbers(rows, "group")
    if groups is None:
        message = f"{strategy}: the rows have no group each"
        raise InputError(Problem(message, "Name the column that holds it: data.columns: {group: COLUMN}"))
    return groups


def classes_of(rows: Sequence[Any], strategy: str) -> Groups:
    """The class of each encoded row, (rows,). Raises ``InputError`` where they have none."""
    labels = whole_numbers(rows, "label")
    if labels is None:
        raise InputError(Problem(f"{strategy}: the rows have no class each", f"Take {strategy} out of strategies, or write by: group"))
    return labels


def cells_of(rows: Sequence[Any], strategy: str) -> Groups:
    """A number for each class within each group, (rows,). Raises ``InputError`` where rows have no class or no group."""
    groups = groups_of(rows, strategy)
    return classes_of(rows, strategy) * np.int64(groups.max() + 1) + groups


KINDS: dict[str, Callable[[Sequence[Any], str], Groups]] = {"class": classes_of, "group": groups_of, "cell": cells_of}
NAMES = {"class": "classes", "group": "groups", "cell": "cells of class and group"}


def names_of(rows: Sequence[Any], groups: Groups) -> list[str]:
    """The names of ``groups`` by their numbers; the numbers themselves for rows that came without names."""
    return list(getattr(rows, "groups", ())) or [str(number) for number in range(int(groups.max(initial=-1)) + 1)]


def names_of_cells(run: Run, cells: int) -> list[str]:
    """``LABEL in GROUP`` for each of the first ``cells`` numbers that ``cells_of`` gives."""
    numbers = groups_of(run.train, "cells")
    groups, width = names_of(run.train, numbers), int(numbers.max()) + 1
    labels = getattr(run.task, "labels", None) or range(cells)
    return [f"{labels[cell // width]} in {groups[cell % width]}" for cell in range(cells)]


def by_example(run: Run, strategy: str, kind: str = "group") -> Tensor:
    """The group of each training row, (rows,), in the order of the data; or of another of ``KINDS``.

    That there is one alone is told; ``InputError`` for none.
    """
    groups, rows = KINDS[kind](run.train, strategy), numbers_of(run.train, "row")
    found = torch.full((int(rows.max(initial=-1)) + 1,), -1)
    found[rows] = torch.from_numpy(groups)
    if len(groups) and not np.ptp(groups):
        run.say(f"{strategy}: all training rows are of one group, and there is nothing to compare it with")
    return found.to(run.device)


def of_batch(known: Tensor, batch: Batch) -> Tensor:
    """The group of each row of a batch, (rows,), from what ``by_example`` returned; -1 for rows that are none of the training rows."""
    rows = batch.rows.to(known.device)
    own = (rows >= 0) & (rows < len(known)) & (batch.micro is not None)  # a batch that is of no step has rows of other data
    return torch.where(own, known[torch.where(own, rows, 0)], -1)
