"""The cross-entropy of tokens, without a second and a third table as large as that of their scores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 1 << 24  # scores whose exponents are held at once: 64 MB of float32


def token_losses(logits: Tensor, targets: Tensor, chunk: int = CHUNK) -> Tensor:
    """-log P of ``targets`` (tokens,) under ``logits`` (tokens, vocabulary), float32: (tokens,).

    Where there are more scores than ``chunk``, so many are worked on at a time, and again when the gradient is taken: the table of
    probabilities is never whole.
    """
    rows = max(1, chunk // max(1, logits.shape[1]))
    if len(logits) <= rows:
        return _losses(logits, targets)
    parts = zip(torch.split(logits, rows), torch.split(targets, rows), strict=True)
    return torch.cat([checkpoint(_losses, scores, right, use_reentrant=False, preserve_rng_state=False) for scores, right in parts])


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none")
