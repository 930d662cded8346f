"""The rows of a step as episodes: small tasks, each of which is learned by itself for a few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.mixture import PLACE, Mixture
from tunesmith.core.run import Run
from tunesmith.data.groups import by_example, of_batch

Numbering = Callable[[Batch], Tensor]  # the number of the episode of each row, (rows,)


def numbering(by: str, run: Run, strategy: str) -> Numbering:
    """Which rows of a step are an episode: all of them (``step``), those of a task of a mixture (``task``), or of a group (``group``).

    Raises ``InputError`` where there are no such parts, and for several processes, each of which would count its own.
    """
    if dist.is_initialized():
        raise InputError(Problem(f"{strategy}: episodes are not shared between processes", "Train in one process"))
    return _NUMBERINGS[by](run, strategy)


def _by_step(run: Run, strategy: str) -> Numbering:
    return lambda batch: torch.zeros(len(batch), dtype=torch.int64)


def _by_task(run: Run, strategy: str) -> Numbering:
    if not isinstance(run.task, Mixture):
        raise InputError(Problem(f"{strategy}: there is one task, and by: task wants several", "Write by: step, or by: group"))
    names = list(run.task.members)
    return lambda batch: torch.full((len(batch),), names.index(str(batch.notes[PLACE])))


def _by_group(run: Run, strategy: str) -> Numbering:
    known = by_example(run, strategy)
    return lambda batch: of_batch(known, batch)


_NUMBERINGS: dict[str, Callable[[Run, str], Numbering]] = {"step": _by_step, "task": _by_task, "group": _by_group}
BY = tuple(_NUMBERINGS)


def episodes(batches: Sequence[Batch], number: Numbering) -> list[list[Batch]]:
    """The rows of ``batches`` by the number of their episode, in the order of the numbers."""
    found: dict[int, list[Batch]] = {}
    for batch in batches:
        numbers = number(batch)
        for one in sorted(set(numbers.tolist())):
            found.setdefault(one, []).append(taken(batch, torch.nonzero(numbers == one)[:, 0]))
    return [found[one] for one in sorted(found)]


def dealt(batches: Sequence[Batch], num: int) -> list[list[Batch]]:
    """The rows of an episode dealt out to at most ``num`` parts, in turn; fewer where there are not so many rows."""
    parts: list[list[Batch]] = [[] for _ in range(min(num, sum(map(len, batches))))]
    before = 0
    for batch in batches:
        places = (torch.arange(len(batch)) + before) % len(parts)
        for number in sorted(set(places.tolist())):
            parts[number].append(taken(batch, torch.nonzero(places == number)[:, 0]))
        before += len(batch)
    return parts


def taken(batch: Batch, rows: Tensor) -> Batch:
    """Some rows of a batch, which keeps its length. Raises ``InputError`` where one row of tensors holds several of them."""
    if len(rows) == len(batch):
        return batch
    if any(tensor.shape[:1] != (len(batch),) for tensor in (*batch.inputs.values(), *batch.targets.values())):
        raise InputError(
            Problem("Rows that share a row of tensors cannot be parted into episodes", "Take out what parts them: reptile, maml")
        )
    inputs, targets = ({name: tensor[rows.to(tensor.device)] for name, tensor in part.items()} for part in (batch.inputs, batch.targets))
    tokens = round(batch.tokens * len(rows) / len(batch))
    return replace(batch, inputs=inputs, targets=targets, rows=batch.rows[rows.to(batch.rows.device)], tokens=tokens)
