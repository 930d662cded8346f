"""How hard the training rows are for a model: by the loss of each, or by how likely the model finds its truth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.model.divergence import kind_of, scores
from tunesmith.model.domains import judging


def mean_loss(loss: Loss) -> float:
    """The mean loss of a row."""
    return float(loss.sum) / (loss.count or 1.0)


def doubt(loss: Loss) -> float:
    """1 - the probability of the truth of a row: the mean of its tokens; of several labels that of the one that fits least."""
    logits, targets = scores(loss, "curriculum")
    return float(_doubts(logits.float(), targets).mean())


MEASURES: dict[str, Callable[[Loss], float]] = {"loss": mean_loss, "perplexity": mean_loss, "confidence": doubt}


def measured(run: Run, forward: Forward, by: str) -> Tensor:
    """How hard each training item is, (items,) in float64, each passed through the model alone; ``by`` is a key of ``MEASURES``.

    By perplexity it is its logarithm, the mean loss.
    """
    with judging(forward.module), torch.no_grad():
        items = ({**row, "draw": seed_of(run.seed, "curriculum", item)} for item, row in enumerate(run.train))
        batches = (run.task.collate([item], run.tokenizer).to(run.device) for item in items)
        found = [MEASURES[by](run.task.objective(batch, forward)) for batch in batches]
    return torch.tensor(found, dtype=torch.float64)


def _doubts(logits: Tensor, targets: Tensor) -> Tensor:
    if kind_of(targets) == "classes":
        return 1 - logits.softmax(dim=-1).gather(-1, targets[:, None])[:, 0]
    return (targets - logits.sigmoid()).abs().max(dim=-1).values
