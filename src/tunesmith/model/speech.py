"""Speech in, text out: what a decoder that transcribes is told first, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.body import whole
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import respond


def set_language(tokenizer: Any, language: str) -> None:
    """Let transcripts begin with the token of a language, ``es`` or ``spanish``, where the tokenizer has such tokens.

    Raises ``InputError`` for a language that it does not know, and for a tokenizer of one language.
    """
    multilingual = "<|transcribe|>" in tokenizer.get_vocab() and hasattr(tokenizer, "set_prefix_tokens")
    if not language:
        return
    if not multilingual:
        raise InputError(Problem(f"The model writes one language, so task.language: {language} is not read", "Take it out"))
    try:
        tokenizer.set_prefix_tokens(language=language, task="transcribe")
        _ = tokenizer.prefix_tokens
    except ValueError as error:
        raise InputError(Problem(f"The model does not know the language '{language}'", "Write en, es, german, ...")) from error


def prefix_of(tokenizer: Any) -> list[int]:
    """The tokens that each transcript begins with: start of transcript, language, task, no timestamps."""
    ids: list[int] = tokenizer("", return_attention_mask=False)["input_ids"]
    return ids[:-1]


def transcribe(
    module: nn.Module, tokenizer: Any, inputs: Mapping[str, Tensor], prefix: Sequence[int], decoding: Decoding, rows: Sequence[int]
) -> list[list[int]]:
    """What the model writes to a batch of sounds, as token ids that begin with the ``prefix``, the start token left out.

    Whisper's own ``generate`` cuts sound, guesses languages and falls back to drawing; here its decoder is asked as any other.
    """
    first = next(iter(inputs.values()))
    started = torch.tensor([list(prefix)] * len(first), device=first.device)
    with _plain(whole(module)):
        return respond(module, tokenizer, {**inputs, "decoder_input_ids": started}, decoding, rows)


@contextmanager
def _plain(model: Any) -> Iterator[None]:
    """The ``generate`` that all models of transformers have in the place of the model's own."""
    from transformers import GenerationMixin

    model.generate = MethodType(GenerationMixin.generate, model)
    try:
        yield
    finally:
        del model.generate
