"""The files by which sentence-transformers knows a model that makes vectors of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MODES = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
_PARTS = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


def beside_the_model(pooling: str, hidden: int, max_length: int) -> Mapping[str, Any]:
    """The files from which sentence-transformers knows how vectors are made: JSON contents by their paths in the model's folder."""
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(_PARTS.items())
    ]
    modes = {f"pooling_mode_{mode}": how == pooling for how, mode in _MODES.items()}
    return {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, **modes},
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    }
