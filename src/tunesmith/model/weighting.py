"""Losses whose rows count differently."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.model.divergence import item_losses, scores, weighted


def check_rows(loss: Loss, rows: int, strategy: str) -> tuple[Tensor, Tensor]:
    """The logits and targets of a loss with one item for each of ``rows``. Raises ``InputError`` for a loss of something else."""
    logits, targets = scores(loss, strategy)
    if len(logits) != rows:
        message = f"{strategy}: the loss of this task is not one of rows: {rows:,} rows have {len(logits):,} answers"
        raise InputError(Problem(message, f"Take {strategy} out of strategies"))
    return logits, targets


def row_weighted(loss: Loss, weights: Tensor, strategy: str) -> Loss:
    """The loss with its rows weighted by ``weights`` (rows,). What other strategies added stays as it is in the mean."""
    logits, targets = check_rows(loss, len(weights), strategy)
    weights = weights.to(loss.sum)
    plain = item_losses(logits, targets)
    items = weights if loss.weights is None else weights * loss.weights
    count = float(items.sum())
    rest = loss.sum - weighted(plain, loss)
    return replace(loss, sum=(items * plain).sum() + rest * (count / loss.count), count=count, weights=items)
