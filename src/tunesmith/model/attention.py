"""Attention for CPUs: plain matrix products while training on short texts, torch's fused kernel on long ones and without gradients.

With attention dropout, torch's fused attention falls back to a slow path on CPUs, and its backward pass is slower than plain products
for the lengths of everyday texts. Which of the two is taken depends on nothing but shapes and settings, so that a resumed run has the
same bits. ``benchmarks/README.md`` has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.model.dropout import keep, masked, share_kept

NAME = "tunesmith"
LONG = 256  # positions from which the fused kernel is faster in float32; it keeps no table of all pairs of positions either
# Families whose attention goes through transformers' interface with nothing but mask, scale and dropout, compared in tests/model.
FAMILIES = frozenset(
    {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert", "gpt2", "gpt_neox", "llama", "qwen2"}
)


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """softmax(q k' * scaling + mask) v (Vaswani et al. 2017, equation 1), as transformers calls it.

    ``query`` (batch, heads, length, size); ``key`` and ``value`` (batch, groups, length, size), each group serving heads / groups
    heads; ``attention_mask`` is added; ``settings`` holds ``scaling`` and ``dropout``. Returns (batch, length, heads, size).
    """
    scaling = settings.get("scaling") or query.size(-1) ** -0.5
    groups = query.size(1) // key.size(1)
    if groups > 1 and query.size(2) == 1 and not torch.is_grad_enabled():
        return _of_one(query * scaling, key, value, attention_mask), None
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    p = settings.get("dropout", 0.0) if module.training else 0.0
    if not torch.is_grad_enabled() or (not p and key.size(2) >= LONG and query.dtype == torch.float32):
        mixed = F.scaled_dot_product_attention(query, key, value, attention_mask, scale=scaling)
        return mixed.transpose(1, 2).contiguous(), None
    scores = torch.matmul(query * scaling, key.transpose(2, 3))  # (batch, heads, length, length), in the precision of the products
    if attention_mask is not None:  # in the precision of the scores: a sum of two number formats is an order slower
        scores = scores.add_(attention_mask.to(scores.dtype).clamp_min(torch.finfo(scores.dtype).min))
    with torch.autocast(scores.device.type, enabled=False):  # which would copy the scores into float32; softmax adds up in it anyway
        weights = scores.softmax(dim=-1)
    if p and share_kept(p) > 0:  # the scale goes to the result, which is smaller
        mixed = torch.matmul(masked(weights, keep(weights.shape, p)), value) * (1 / share_kept(p))
    else:
        mixed = torch.matmul(weights if not p else weights * 0.0, value)
    return mixed.transpose(1, 2).contiguous(), None


def _of_one(query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None) -> Tensor:
    """What a single position sees, (batch, 1, heads, size): keys and values, which are many more, are not copied for each head."""
    batch, heads, _, size = query.shape
    scores = query.view(batch, key.size(1), -1, size) @ key.transpose(2, 3)  # (batch, groups, heads of a group, length)
    weights = (scores if attention_mask is None else scores + attention_mask).softmax(dim=-1)
    return (weights.to(value.dtype) @ value).view(batch, 1, heads, size)


@contextmanager
def plain_attention(module: nn.Module) -> Iterator[None]:
    """Within, a model on a CPU uses ``attention`` where ``use_plain_attention`` lets it."""
    whole: Any = getattr(module, "get_base_model", lambda: module)()
    before = getattr(getattr(whole, "config", None), "_attn_implementation", None)
    changed = next(module.parameters()).device.type == "cpu" and use_plain_attention(module)
    try:
        yield
    finally:
        if changed:
            whole.set_attn_implementation(before)


def use_plain_attention(module: nn.Module) -> bool:
    """Let a model use ``attention`` where its family is known to agree with it. Returns whether it does."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    whole: Any = getattr(module, "get_base_model", lambda: module)()
    config: Any = getattr(whole, "config", None)
    if getattr(config, "model_type", None) not in FAMILIES or config._attn_implementation != "sdpa":
        return False
    ALL_ATTENTION_FUNCTIONS.register(NAME, attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, eager_mask)
    whole.set_attn_implementation(NAME)
    return True
