"""How far predictions are apart, for each item, whatever is predicted: a class, several labels or a number.

The targets tell: class ids (items,) mean a distribution over classes, a table (items, labels) one Bernoulli variable for each label,
and plain numbers (items,) the mean of a normal distribution of variance 1/2, whose log-likelihood is the squared error.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.errors import TunesmithError
from tunesmith.core.loss import Loss

Measure = Callable[[Tensor, Tensor], Tensor]


def kind_of(targets: Tensor) -> str:
    """``classes``, ``labels`` or ``numbers``."""
    if not targets.is_floating_point():
        return "classes"
    return "labels" if targets.dim() == 2 else "numbers"


def scores(loss: Loss, strategy: str) -> tuple[Tensor, Tensor]:
    """The logits and targets of a loss whose task offers ``logits``. Raises ``TunesmithError`` where it came without them."""
    if loss.logits is None or loss.targets is None:
        raise TunesmithError(f"{strategy}: the task offers logits, but its loss came without logits or targets")
    return loss.logits, loss.targets


def weighted(values: Tensor, loss: Loss) -> Tensor:
    """The sum of ``values`` (items,) over the items of a loss, each with its weight."""
    return (values if loss.weights is None else values * loss.weights).sum()


def divergence(p: Tensor, q: Tensor, targets: Tensor) -> Tensor:
    """KL(P || Q) of two predictions, given by their logits or numbers, for each item: (items,). That of labels is their mean."""
    return _DIVERGENCES[kind_of(targets)](p, q)


def symmetric_divergence(p: Tensor, q: Tensor, targets: Tensor) -> Tensor:
    """(KL(P || Q) + KL(Q || P)) / 2 for each item: (items,)."""
    return _SYMMETRIC[kind_of(targets)](p, q)


def item_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The plain loss of each item, (items,): cross-entropy, the mean binary cross-entropy over labels, or the squared error."""
    return _LOSSES[kind_of(targets)](logits, targets)


def categorical_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL(P || Q) of two categorical distributions given by logits (..., classes): (...)."""
    p, q = F.log_softmax(p_logits, dim=-1), F.log_softmax(q_logits, dim=-1)
    return (p.exp() * (p - q)).sum(dim=-1)


def bernoulli_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL(P || Q) of independent Bernoulli variables given by logits (..., labels), as the mean over labels: (...)."""
    yes = p_logits.sigmoid() * (F.logsigmoid(p_logits) - F.logsigmoid(q_logits))
    no = (-p_logits).sigmoid() * (F.logsigmoid(-p_logits) - F.logsigmoid(-q_logits))
    return (yes + no).mean(dim=-1)


def symmetric_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """(KL(P || Q) + KL(Q || P)) / 2 of two categorical distributions given by logits (..., classes): (...)."""
    p, q = F.log_softmax(p_logits, dim=-1), F.log_softmax(q_logits, dim=-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(dim=-1) / 2


def symmetric_bernoulli_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """The same of independent Bernoulli variables given by logits (..., labels), as the mean over labels: (...)."""
    return ((p_logits.sigmoid() - q_logits.sigmoid()) * (p_logits - q_logits)).mean(dim=-1) / 2


def _squared(p: Tensor, q: Tensor) -> Tensor:
    return (p - q).square().sum(dim=-1)


_DIVERGENCES: dict[str, Measure] = {"classes": categorical_kl, "labels": bernoulli_kl, "numbers": _squared}
_SYMMETRIC: dict[str, Measure] = {"classes": symmetric_kl, "labels": symmetric_bernoulli_kl, "numbers": _squared}
_LOSSES: dict[str, Measure] = {
    "classes": lambda logits, targets: F.cross_entropy(logits, targets, reduction="none"),
    "labels": lambda logits, targets: F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=-1),
    "numbers": lambda logits, targets: (logits[..., 0] - targets).square(),
}
