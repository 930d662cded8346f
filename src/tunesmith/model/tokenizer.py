"""The tokenizer of a model: exactly the one that was saved, able to pad, and no longer than the model's positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from tunesmith.core.errors import InputError, Problem

# One of these holds the vocabulary. Without any, AutoTokenizer makes up an empty one, and every word is unknown.
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "tekken.json")
_GENERIC = {"PreTrainedTokenizerFast", "TokenizersBackend"}


def load_tokenizer(path: Path) -> Any:
    """The tokenizer in a folder or a ``.gguf`` file; None where there is none, as for images.

    It can pad: where it has no padding token the end of the text serves, so padding must be told by the attention mask and not by
    the token. Raises ``InputError`` where the files cannot be read.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    folder, inside = (path.parent, {"gguf_file": path.name}) if path.is_file() else (path, {})
    if not inside and not any(file for pattern in _VOCABULARIES for file in folder.glob(pattern)):
        return None
    try:
        # a generic tokenizer is loaded as it was saved: AutoTokenizer would rebuild it in the way of the model's family
        generic = get_tokenizer_config(folder, local_files_only=True).get("tokenizer_class") in _GENERIC
        loader = PreTrainedTokenizerFast if generic and not inside else AutoTokenizer
        tokenizer = loader.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **inside)
    except Exception as error:  # what a damaged file raises depends on the library that reads it
        reason = str(error).strip().partition("\n")[0]
        remedy = "Run: pip install 'tunesmith[translation]'" if "sentencepiece" in reason.lower() else "Copy its files again"
        raise InputError(Problem(f"The tokenizer cannot be read ({reason})", remedy, str(path))) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def pad_alike(config: Any, tokenizer: Any) -> None:
    """Tell the configuration which token pads: where it names another, a decoder would classify the wrong position."""
    if tokenizer.pad_token_id is not None:
        for part in {id(part): part for part in (config, config.get_text_config())}.values():
            if hasattr(part, "pad_token_id"):
                part.pad_token_id = tokenizer.pad_token_id


def bound(tokenizer: Any, module: Any) -> None:
    """Lower the tokenizer's longest text to the positions that the model has.

    Raises ``InputError`` where the vocabularies do not belong together; a few tokens more than the model embeds are let pass,
    such as one for images that texts never hold.
    """
    if positions := positions_of(module):
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    _, embedded = token_embedding(module)
    if embedded and len(tokenizer) > 1.01 * embedded + 8:
        raise InputError(
            Problem(
                f"The tokenizer has {len(tokenizer):,} tokens and the model embeds {embedded:,}",
                "They do not belong together: copy the tokenizer's files from where the weights come from",
            )
        )


def positions_of(module: Any) -> int:
    """The longest text that the model, or its decoder where it has two sides, can tell the order of; 0 where any length will do."""
    config = module.config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "max_target_positions", None) or 0
    for name, part in module.named_modules() if positions > 0 else ():
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            return int(positions - part.padding_idx - 1)  # RoBERTa and its kin count positions from behind the padding token
    return max(0, positions)


def token_embedding(module: Any) -> tuple[str, int]:
    """The name of the module that embeds tokens, and how many it embeds; an empty name and 0 where nothing does."""
    size = getattr(module.config.get_text_config(), "vocab_size", None)
    tables = ((name, part.num_embeddings) for name, part in module.named_modules() if isinstance(part, nn.Embedding))
    return next((table for table in tables if table[1] == size), ("", 0))
