"""Cutoff: parts of the input are erased, and the prediction must stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.divergence import divergence, item_losses, kind_of, scores, weighted
from tunesmith.model.perturb import changing, check_embeddings

Kept = Callable[[Tensor, Tensor, float, torch.Generator], Tensor]


@dataclass
class Cutoff(Strategy):
    """Adds the loss of a second view of each row, from whose embeddings a part is erased, and how far the two predictions are apart.

    Formula: L(x) + strength * L(x') + consistency * JS(f(x), f(x')), x' with a share of its tokens, of a run of tokens or of its embedding
    dimensions set to 0, JS: Jensen-Shannon divergence.
    Use when: a classifier over-fits a few hundred or thousand rows; it needs nothing but the rows.
    Cost: memory x2, time x2.
    Source: Shen et al. 2020, "A Simple but Tough-to-Beat Data Augmentation Approach for Natural Language Understanding and Generation",
    section 3.2 and equation 5.
    Differs: one view for each row; word embeddings are erased, positions stay. Of numbers the squared difference is taken for JS.
    """

    what: str = setting("span", "what is erased: tokens, a span of them, or features of all", choices=("tokens", "span", "features"))
    rate: float = setting(0.1, "share that is erased; the paper takes 0.05 to 0.3", low=0, high=0.9)
    strength: float = setting(1.0, "alpha, the weight of the second view's loss", low=0)
    consistency: float = setting(1.0, "beta, the weight of the divergence", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    perturbs: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Cutoff:
        return cls(rate=0.3)

    def begin(self, run: Run) -> None:
        check_embeddings(run.model, "cutoff")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if not self.rate or not (self.strength or self.consistency):
            return loss
        kept = KEPT[self.what]
        generator = run.generator("cutoff")
        with changing(run.model, lambda embedded, real: embedded * kept(embedded, real, self.rate, generator)):
            logits, targets = scores(inner(batch), "cutoff")
        if self.strength:
            loss = loss.plus("cutoff", self.strength * weighted(item_losses(logits, targets), loss))
        if self.consistency:
            plain, _ = scores(loss, "cutoff")
            loss = loss.plus("cutoff_consistency", self.consistency * weighted(jensen_shannon(plain, logits, targets), loss))
        return loss


def tokens_kept(embedded: Tensor, real: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """1 for the tokens that stay, (batch, length, 1): each is erased with probability ``rate``."""
    return (torch.rand(embedded.shape[:2], generator=generator) >= rate).to(embedded)[..., None]


def span_kept(embedded: Tensor, real: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """0 for a run of tokens of each row, ``rate`` of its real ones and one at least, that begins anywhere: (batch, length, 1)."""
    marks = real.reshape(len(real), -1).expand(embedded.shape[:2]).cpu()
    sizes, first = marks.sum(dim=1), marks.argmax(dim=1)  # padding may be on the left
    width = (rate * sizes).floor().clamp_min(1)
    start = first + (torch.rand(len(sizes), generator=generator) * (sizes - width + 1)).floor()
    positions = torch.arange(embedded.shape[1])
    gone = (positions >= start[:, None]) & (positions < (start + width)[:, None])
    return (~gone).to(embedded)[..., None]


def features_kept(embedded: Tensor, real: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """1 for the dimensions that stay in all tokens of a row, (batch, 1, width): each is erased with probability ``rate``."""
    return (torch.rand(len(embedded), 1, embedded.shape[2], generator=generator) >= rate).to(embedded)


KEPT: dict[str, Kept] = {"tokens": tokens_kept, "span": span_kept, "features": features_kept}


def jensen_shannon(one: Tensor, other: Tensor, targets: Tensor) -> Tensor:
    """(KL(P || M) + KL(Q || M)) / 2 with M = (P + Q) / 2 for each item, (items,); of numbers their squared difference."""
    kind = kind_of(targets)
    if kind == "numbers":
        return divergence(one, other, targets)
    if kind == "classes":
        middle = torch.logaddexp(F.log_softmax(one, dim=-1), F.log_softmax(other, dim=-1))  # a softmax makes it whole
    else:
        middle = torch.logit((one.sigmoid() + other.sigmoid()) / 2, eps=1e-6)
    return (divergence(one, middle, targets) + divergence(other, middle, targets)) / 2
