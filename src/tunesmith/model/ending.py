"""Whether a model writes, in which form it was taught to talk, and with which tokens it ends what it writes."""

from __future__ import annotations

from typing import Any

from tunesmith.core.errors import InputError, Problem


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


def check_writes(module: Any) -> None:
    """Raise ``InputError`` for a model whose positions see those that come later: it can read and not write."""
    from transformers import AutoModelForMaskedLM

    config = getattr(module, "get_base_model", lambda: module)().config
    if type(config) in AutoModelForMaskedLM._model_mapping:
        raise InputError(Problem(f"{config.model_type} models read texts and do not write any", "Name a decoder: a chat model is best"))


def is_joined(module: Any) -> bool:
    """Whether the model was taught conversations as turns that are joined by the token that ends a text, as DialoGPT was."""
    config = getattr(module, "get_base_model", lambda: module)().config
    return "conversational" in (getattr(config, "task_specific_params", None) or {})
