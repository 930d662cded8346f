"""Vectors of texts and losses that compare them: pooling, InfoNCE, CoSENT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def mean(states: Tensor, real: Tensor) -> Tensor:
    """The mean over real positions. ``states`` (batch, length, hidden), ``real`` (batch, length) of 0 and 1, to (batch, hidden)."""
    weights = real[..., None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)


def first(states: Tensor, real: Tensor) -> Tensor:
    """The state at the first real position, that of [CLS] where a tokenizer has it."""
    return states[torch.arange(len(states), device=states.device), real.int().argmax(dim=1)]


def last(states: Tensor, real: Tensor) -> Tensor:
    """The state at the last real position, the only one of a decoder that has seen the whole text."""
    return states[torch.arange(len(states), device=states.device), real.shape[1] - 1 - real.int().flip(1).argmax(dim=1)]


POOLING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": mean, "cls": first, "last": last}


def pooled(states: Tensor, mask: Tensor | None, how: str) -> Tensor:
    """Vectors of length 1, (batch, hidden) in float32; without a ``mask`` every position is real."""
    real = torch.ones(states.shape[:2], device=states.device) if mask is None else mask.to(states.device)
    return F.normalize(POOLING[how](states.float(), real), dim=1)


def _mean(output: Any, mask: Tensor | None, config: Any) -> Tensor:
    return pooled(output[0], mask, "mean")


def _of_head(output: Any, mask: Tensor | None, config: Any) -> Tensor:
    """What a classifier's head of the family reads: the pooler's vector, the first token, or, where a text is read forwards, the last."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as ENCODERS

    made = output.get("pooler_output")
    if made is not None:
        return F.normalize(made.float(), dim=1)
    forwards = config.is_encoder_decoder or config.model_type not in ENCODERS
    return pooled(output[0], mask, "last" if forwards else getattr(config, "classifier_pooling", "cls"))


READ: dict[str, Callable[[Any, Tensor | None, Any], Tensor]] = {"mean": _mean, "head": _of_head}


def sentences(output: Any, inputs: Mapping[str, Tensor], config: Any, how: str) -> Tensor:
    """Vectors of length 1, (batch, hidden) in float32, of what a body gave for texts: the mean, or what the head reads.

    ``output`` is that of a model of transformers; vectors that were learned and stand before the text are left out.
    """
    length = inputs["input_ids"].shape[1]
    own = type(output)(**{**output, "last_hidden_state": output[0][:, -length:]})
    return READ[how](own, inputs.get("attention_mask"), config)


def info_nce(anchors: Tensor, candidates: Tensor, own: Tensor, barred: Tensor, temperature: float) -> Tensor:
    """``-log(exp(cos(a, p) / t) / sum_c exp(cos(a, c) / t))`` of each anchor a and its positive p, over all candidates c: (batch,).

    ``anchors`` (batch, hidden) and ``candidates`` (candidates, hidden) have length 1; ``own`` (batch,) is the number of the positive;
    ``barred`` (batch, candidates) is true for candidates that are no negative of an anchor.

    Source: van den Oord et al. 2018, arXiv:1807.03748, equation 4; Gao et al. 2021, arXiv:2104.08821, equations 1 and 5.
    """
    scores = (anchors @ candidates.T / temperature).masked_fill(barred, -torch.inf)  # (batch, candidates)
    return F.cross_entropy(scores, own, reduction="none")


def squares(cosines: Sequence[Tensor]) -> Tensor:
    """How far cosines, (rows,) each, are from 1, the first of them, and from 0, the others: ``(c_0 - 1)^2 / 2 + mean c_i^2 / 2``, (rows,).

    Source: Tunstall et al. 2022, arXiv:2209.11055, section 3, where both kinds of pairs are equally many.
    """
    return ((cosines[0] - 1).square() + torch.stack(list(cosines[1:])).square().mean(dim=0)) / 2


def found_among(cosines: Sequence[Tensor], temperature: float) -> Tensor:
    """``-log(exp(c_0 / t) / sum_i exp(c_i / t))`` of cosines (rows,) each, the first to be the largest: (rows,).

    Source: as ``info_nce``, with candidates of each row's own.
    """
    scores = torch.stack(list(cosines), dim=1) / temperature  # (rows, 1 + others)
    return scores.logsumexp(dim=1) - scores[:, 0]


def cosent(cosines: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """``log(1 + sum over pairs of rows, i of a higher score than j, of exp((cos_j - cos_i) / t))``: one number for a batch.

    ``cosines`` and ``scores`` (batch,): only the order of scores matters.

    Source: Su 2022, "CoSENT", https://kexue.fm/archives/8847, equation 6.
    """
    better = scores[:, None] > scores[None, :]  # (batch i, batch j)
    gaps = ((cosines[None, :] - cosines[:, None]) / temperature)[better]
    return torch.cat([gaps.new_zeros(1), gaps]).logsumexp(dim=0)
