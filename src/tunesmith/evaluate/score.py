"""Predictions of a model for encoded rows, and the scores that they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist

from tunesmith.core.forward import Forward
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.core.waiting import waited
from tunesmith.core.words import Say, counted
from tunesmith.data.batches import Indices, length_batches
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.threshold import as_shipped
from tunesmith.model.neighbours import refresh

TOKENS = 8192  # positions in one forward pass, padding included


def predict(
    forward: Forward, encoded: Encoded, task: Task, tokenizer: Any, tokens: int = TOKENS, say: Say | None = None
) -> list[Prediction]:
    """A prediction for each row, in the rows' order; ``forward`` runs the model in evaluation mode.

    Items of like length go through the model together, up to ``tokens`` positions with padding. Under ``torch.distributed`` each
    rank computes a share, and every rank returns all. ``say`` is told how far it is where it takes long.
    """
    found: dict[int, Prediction] = {}
    refresh(forward.module)
    # Not inference_mode: what a model keeps from a pass made there, like rotary tables, cannot be trained with afterwards.
    with torch.no_grad():
        batches = share(length_batches(encoded.lengths, tokens), *_place(forward, task))
        for rows in waited(batches, say, f"predicting {counted(len(encoded), 'row')}"):
            batch = task.collate([encoded[row] for row in rows], tokenizer)
            found.update(zip(rows.tolist(), task.answer(batch, forward, tokenizer), strict=True))
    found = _of_all_ranks(found)
    parts: dict[int, list[Prediction]] = {}
    for item, row in enumerate(encoded.rows.tolist()):
        parts.setdefault(row, []).append(found[item])
    return task.together([task.merge(of_row) for _, of_row in sorted(parts.items())])


def scorer(
    task: Task, examples: Sequence[Row], encoded: Encoded, tokenizer: Any, say: Say | None = None
) -> Callable[[Forward], dict[str, Any]]:
    """A function that gives a model's metrics on ``examples``, whose features are ``encoded``; what is open they decide."""

    def score(forward: Forward) -> dict[str, Any]:
        return task.metrics(as_shipped(task, predict(forward, encoded, task, tokenizer, say=say), examples), examples)

    return score


def share(batches: Sequence[Indices], rank: int, world: int) -> list[Indices]:
    """The batches of one rank. All ranks get equally many, so some are computed twice: a sharded model needs every rank in each pass."""
    rounds = -(-len(batches) // world)
    return [batches[turn % len(batches)] for turn in range(rank, rounds * world, world)]


def _place(forward: Forward, task: Task) -> tuple[int, int]:
    """This process's rank, and how many there are.

    With sharded weights every rank takes all rows where an answer is more than one pass: the passes of other rows may be more or fewer.
    """
    if forward.sharded and type(task).answer is not Task.answer:
        return 0, 1
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _of_all_ranks(found: dict[int, Prediction]) -> dict[int, Prediction]:
    """The predictions of every rank together."""
    if not dist.is_initialized():
        return found
    shares: list[dict[int, Prediction]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(shares, found)
    return {row: prediction for one in shares for row, prediction in one.items()}
