"""Losses of the scores that texts get for a query: of each text by itself, of pairs, and of whole lists."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def ranknet(scores: Tensor, relevances: Tensor, there: Tensor) -> Tensor:
    """The mean of ``log(1 + exp(s_j - s_i))`` over the pairs of a row in which i is more relevant than j: (batch,); 0 without pairs.

    ``scores`` and ``relevances`` (batch, texts); ``there`` alike, false where a row has fewer texts.

    Source: Burges et al. 2005, doi:10.1145/1102351.1102363, equation 3.
    """
    better = (relevances[:, :, None] > relevances[:, None, :]) & there[:, :, None] & there[:, None, :]  # (batch, texts i, texts j)
    losses = F.softplus(scores[:, None, :] - scores[:, :, None]) * better
    return losses.sum(dim=(1, 2)) / better.sum(dim=(1, 2)).clamp_min(1)


def listnet(scores: Tensor, relevances: Tensor, there: Tensor) -> Tensor:
    """The cross-entropy of the softmax of scores with the softmax of relevances: (batch,).

    Source: Cao et al. 2007, doi:10.1145/1273496.1273513, section 4.2 (top one probability).
    """
    return _cross_entropy(scores, relevances.masked_fill(~there, -torch.inf).softmax(dim=1), there)


def softmax(scores: Tensor, relevances: Tensor, there: Tensor) -> Tensor:
    """The cross-entropy of the softmax of scores with each text's share of the relevance: (batch,); 0 where nothing is relevant.

    Source: Bruch et al. 2019, doi:10.1145/3341981.3344221, equation 3.
    """
    relevances = relevances.masked_fill(~there, 0.0)
    total = relevances.sum(dim=1, keepdim=True)
    return _cross_entropy(scores, relevances / total.masked_fill(total == 0, 1.0), there)


def _cross_entropy(scores: Tensor, shares: Tensor, there: Tensor) -> Tensor:
    likelihoods = scores.masked_fill(~there, -torch.inf).log_softmax(dim=1)
    return -(shares * likelihoods.masked_fill(~there, 0.0)).sum(dim=1)


# by name: sums over texts (texts,), and losses of rows (batch,)
POINTWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda scores, relevances: F.mse_loss(scores, relevances, reduction="sum"),
    "bce": lambda scores, relevances: F.binary_cross_entropy_with_logits(scores, relevances, reduction="sum"),
}
LISTWISE: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"ranknet": ranknet, "listnet": listnet, "softmax": softmax}
