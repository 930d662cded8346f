"""Whether a model writes, in which form it was taught to talk, and with which tokens it ends what it writes."""

from __future__ import annotations

from typing import Any

import torch

from tunesmith.model.apart import allowed


def ends(module: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a text, by the model's generation configuration and by the tokenizer, each once."""
    whole = getattr(module, "get_base_model", lambda: module)()
    said = (whole.generation_config.eos_token_id, tokenizer.eos_token_id)
    return list(dict.fromkeys(end for one in said if one is not None for end in (one if isinstance(one, list) else [one])))


def end_with(module: Any, tokenizer: Any, token: int) -> None:
    """Let ``token`` end what the model writes too, here and where it is loaded again."""
    known = ends(module, tokenizer)
    if token not in known:
        whole = getattr(module, "get_base_model", lambda: module)()
        whole.generation_config.eos_token_id = [*known, token]


@torch.no_grad()
def sees_ahead(module: Any) -> bool:
    """Whether the first position of a language model sees those that come later: such a model reads, and does not write.

    It is tried, since families do not say: with two texts that differ behind their first token.
    """
    ids = torch.tensor([[1] + 7 * [2], [1] + 7 * [3]], device=next(module.parameters()).device)
    one, other = module(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[:, 0].float()
    return bool((one - other).abs().max() > allowed(module) * one.abs().max())


def is_joined(module: Any) -> bool:
    """Whether the model was taught conversations as turns that are joined by the token that ends a text, as DialoGPT was."""
    config = getattr(module, "get_base_model", lambda: module)().config
    return "conversational" in (getattr(config, "task_specific_params", None) or {})
