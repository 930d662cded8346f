"""The rows of a step as episodes: small tasks, each of which is learned by itself for a few steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.mixture import PLACE, Mixture
from tunesmith.core.run import Run
from tunesmith.data.groups import by_example, of_batch

Numbering = Callable[[Batch], Tensor]  # the number of the episode of each row, (rows,)
Place = tuple[int, int]
Counts = Mapping[int, int]  # the number of an episode -> how many of its rows a batch has


def numbering(by: str, run: Run, strategy: str) -> Numbering:
    """Which rows of a step are an episode: all of them (``step``), those of a task of a mixture (``task``), or of a group (``group``).

    Raises ``InputError`` where there are no such parts.
    """
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


@dataclass
class Episode:
    """The rows of a small task in a step, of all processes.

    ``batches``  those that this process holds, which may be none; ``before`` how many rows of the episode come before each of them
    ``size``     the number of its rows
    """

    batches: list[Batch] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    size: int = 0

    def dealt(self, num: int) -> list[list[Batch]]:
        """The rows dealt out to at most ``num`` parts, in turn; fewer where there are not so many rows."""
        parts: list[list[Batch]] = [[] for _ in range(min(num, self.size))]
        for batch, before in zip(self.batches, self.before, strict=True):
            places = (torch.arange(len(batch)) + before) % len(parts)
            for number in sorted(set(places.tolist())):
                parts[number].append(taken(batch, torch.nonzero(places == number)[:, 0]))
        return parts


def episodes(batches: Sequence[Batch], number: Numbering) -> list[Episode]:
    """The rows of ``batches`` by the number of their episode, in the order of the numbers: the same episodes in every process."""
    numbers = {place_of(batch, index): number(batch) for index, batch in enumerate(batches)}
    own = dict(zip(numbers, batches, strict=True))
    found: dict[int, Episode] = {}
    for place, counts in sorted(of_all({place: Counter(some.tolist()) for place, some in numbers.items()}).items()):
        for one, count in counts.items():
            episode = found.setdefault(one, Episode())
            if place in own:
                episode.batches.append(taken(own[place], torch.nonzero(numbers[place] == one)[:, 0]))
                episode.before.append(episode.size)
            episode.size += count
    return [found[one] for one in sorted(found)]


def place_of(batch: Batch, index: int) -> Place:
    """What orders a batch among those of all processes; one that is of no step is the same in each of them."""
    return (-1 if batch.micro is None else batch.micro, index)


def of_all(own: Mapping[Place, Counts]) -> dict[Place, Counts]:
    """What each of the processes holds, together."""
    found: list[Any] = [own]
    if dist.is_initialized():
        found *= dist.get_world_size()
        dist.all_gather_object(found, own)
    return {place: counts for part in found for place, counts in part.items()}


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
