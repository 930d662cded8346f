"""Vectors of texts and losses that compare them: pooling, InfoNCE, CoSENT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.errors import InputError, Problem


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


def check_pooling(config: Any, how: str) -> None:
    """Raise ``InputError`` for a model whose states cannot be pooled so."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as ENCODERS

    if config.is_encoder_decoder:
        raise InputError(Problem(f"{config.model_type} models read one text to write another", "Name an encoder or a decoder"))
    if config.model_type not in ENCODERS and how == "cls":
        message = "task.pooling: cls is the first token, which sees nothing of a text in a decoder"
        raise InputError(Problem(message, "Take last or mean", key="task.pooling"))


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


def by_class(vectors: Tensor, others: Tensor, classes: Tensor, temperature: float | None) -> Tensor:
    """How far ``vectors`` (rows, hidden) are from those of their class among ``others``, which begin with them, and how near to the rest.

    ``classes`` (others,). By ``found_among`` where there is a ``temperature``, else by ``squares``: (rows,).
    """
    alike = classes[: len(vectors), None] == classes
    itself = torch.eye(len(vectors), len(others), dtype=torch.bool, device=vectors.device)
    cosines, masks = vectors @ others.T, (alike & ~itself, ~alike)
    return squares(cosines, *masks) if temperature is None else found_among(cosines, *masks, temperature)


def squares(cosines: Tensor, alike: Tensor, apart: Tensor) -> Tensor:
    """How far cosines are from 1 where rows are ``alike``, and from 0 where ``apart``: (rows,), half of the sum of both means.

    All (rows, others); the two masks are boolean, and each row has both kinds.

    Source: Tunstall et al. 2022, arXiv:2209.11055, section 3, where both kinds of pairs are equally many.
    """
    return (_mean_where((cosines - 1).square(), alike) + _mean_where(cosines.square(), apart)) / 2


def found_among(cosines: Tensor, alike: Tensor, apart: Tensor, temperature: float) -> Tensor:
    """The mean over those ``alike`` p of ``-log(exp(c_p / t) / (exp(c_p / t) + sum over those apart of exp(c / t)))``: (rows,).

    Source: as ``info_nce``, with several that are right.
    """
    scores = cosines / temperature
    others = scores.masked_fill(~apart, -torch.inf).logsumexp(dim=1, keepdim=True)
    return _mean_where(F.softplus(others - scores), alike)


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of each row over the places where the mask is true: (rows,)."""
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)


def cosent(cosines: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """``log(1 + sum over pairs of rows, i of a higher score than j, of exp((cos_j - cos_i) / t))``: one number for a batch.

    ``cosines`` and ``scores`` (batch,): only the order of scores matters.

    Source: Su 2022, "CoSENT", https://kexue.fm/archives/8847, equation 6.
    """
    better = scores[:, None] > scores[None, :]  # (batch i, batch j)
    gaps = ((cosines[None, :] - cosines[:, None]) / temperature)[better]
    return torch.cat([gaps.new_zeros(1), gaps]).logsumexp(dim=0)
