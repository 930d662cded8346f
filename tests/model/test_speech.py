"""What a model of speech writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import WhisperForConditionalGeneration

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.decoding import Decoding
from tunesmith.model.speech import prefix_of, set_language, transcribe


class Multilingual:
    """As much of Whisper's tokenizer as is asked for."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def get_vocab(self) -> dict[str, int]:
        return {"<|transcribe|>": 7}

    def set_prefix_tokens(self, **told: str) -> None:
        self.told = told

    @property
    def prefix_tokens(self) -> list[int]:
        if self.told["language"] not in ("es", "spanish"):
            raise ValueError("Unsupported language")
        return [1, 2]


def test_the_language_is_told() -> None:
    tokenizer = Multilingual()
    set_language(tokenizer, "spanish")
    assert tokenizer.told == {"language": "spanish", "task": "transcribe"}
    with pytest.raises(InputError, match="does not know the language 'klingon'"):
        set_language(tokenizer, "klingon")


def test_a_model_of_one_language_is_not_told() -> None:
    set_language(tiny.tokenizer(), "")
    with pytest.raises(InputError, match=r"task\.language: es is not read"):
        set_language(tiny.tokenizer(), "es")


def test_a_transcript_begins_with_the_start_token() -> None:
    assert prefix_of(tiny.tokenizer()) == [tiny.CLS]


def test_the_decoder_is_asked_as_any_other(tmp_path: Path) -> None:
    """Greedily: each token is the likeliest after those before it."""
    torch.manual_seed(0)
    model: Any = WhisperForConditionalGeneration(tiny.configs["whisper"]()).eval()
    sounds = torch.randn(2, 8, 32)
    own = model.generate
    written = transcribe(model, tiny.tokenizer(), {"input_features": sounds}, [tiny.CLS], Decoding(5), [0, 1])
    assert model.generate == own
    for sound, ids in zip(sounds, written, strict=True):
        assert 1 <= len(ids) <= 5
        asked = torch.tensor([[tiny.CLS, *ids[:-1]]])
        assert model(input_features=sound[None], decoder_input_ids=asked).logits[0].argmax(dim=1).tolist() == ids
