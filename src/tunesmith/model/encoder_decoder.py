"""An encoder-decoder from two pre-trained models: the decoder gets cross-attention, which starts at random.

Source: Rothe et al. 2020, "Leveraging Pre-trained Checkpoints for Sequence Generation Tasks", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Head
from tunesmith.model.sources import ModelSource
from tunesmith.model.tokenizer import bound, load_tokenizer
from tunesmith.model.weights import Loaded, load

_PARTS = (Head("AutoModel", {}), Head("AutoModelForCausalLM", {"is_decoder": True, "add_cross_attention": True}))


def join(parts: Sequence[ModelSource], head: Head, dtype: torch.dtype) -> tuple[Loaded, Any]:
    """An ``EncoderDecoderModel`` of an encoder and a decoder, and the tokenizer of both, which have one vocabulary.

    Texts begin with the tokenizer's token for that and end with its own: ``[CLS]`` and ``[SEP]`` of BERT. Raises ``InputError`` for
    parts that cannot be joined, and for a head that no encoder-decoder has.
    """
    import transformers

    classes = [getattr(transformers, name) for name in (head.auto, *head.otherwise)]
    if not any(transformers.EncoderDecoderConfig in known._model_mapping for known in classes):
        raise InputError(Problem(f"An encoder with a decoder has no {head.auto}", "Name one model"))
    tokenizer = _tokenizer(parts)
    loaded = [load(part, wanted, tokenizer, dtype) for part, wanted in zip(parts, _PARTS, strict=True)]
    encoder, decoder = (part.module for part in loaded)
    for part in (encoder, decoder):
        bound(tokenizer, part)
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(encoder.config, decoder.config)
    config.vocab_size = decoder.config.vocab_size
    module = transformers.EncoderDecoderModel(config, encoder, decoder).to(dtype).eval()
    for told in (module.config, module.generation_config):
        told.pad_token_id, told.eos_token_id = tokenizer.pad_token_id, _last(tokenizer)
        told.decoder_start_token_id = told.bos_token_id = _first(tokenizer)
    roles = ("encoder", "decoder")
    lost = {f"{role}.{name}" for role, part in zip(roles, loaded, strict=True) for name in part.fresh}
    fresh = tuple(name for name, _ in module.named_parameters() if name in lost or name.startswith("enc_to_dec_proj."))
    unused = frozenset(f"{role}.{name}" for role, part in zip(roles, loaded, strict=True) for name in part.unused)
    return Loaded(module, fresh, unused), tokenizer


def _tokenizer(parts: Sequence[ModelSource]) -> Any:
    """The tokenizer of the encoder, which must number tokens as that of the decoder does, and mark where texts begin and end."""
    tokenizers = [load_tokenizer(part.path) for part in parts]
    for tokenizer, part in zip(tokenizers, parts, strict=True):
        if tokenizer is None:
            raise InputError(Problem("There is no tokenizer beside the weights", "Copy its files there", str(part.path)))
    if tokenizers[0].get_vocab() != tokenizers[1].get_vocab():
        names = " and ".join(part.spec for part in parts)
        raise InputError(Problem(f"{names} do not share one vocabulary", "Name two models of one family, or the same model twice"))
    if _first(tokenizers[0]) is None or _last(tokenizers[0]) is None:
        raise InputError(Problem("The tokenizer does not mark where a text begins and ends", "Name an encoder such as BERT", parts[0].spec))
    return tokenizers[0]


def _first(tokenizer: Any) -> int | None:
    return tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id  # type: ignore[no-any-return]


def _last(tokenizer: Any) -> int | None:
    return tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id  # type: ignore[no-any-return]
