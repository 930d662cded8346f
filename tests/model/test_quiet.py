"""Silence, and speech again afterwards."""

from __future__ import annotations

import warnings

import pytest
import torch
from huggingface_hub.utils import are_progress_bars_disabled
from transformers import GenerationMixin, WhisperForConditionalGeneration
from transformers.utils import logging

import tiny
from tunesmith.model.quiet import quiet


def test_nothing_is_said_inside(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.get_logger("transformers.modeling_utils")
    with quiet():
        logger.warning("a wall of warnings")
        warnings.warn("and another", stacklevel=1)
        list(logging.tqdm(range(3)))
    assert capfd.readouterr() == ("", "")


def test_a_text_that_ends_as_it_is_padded_needs_no_mask(caplog: pytest.LogCaptureFixture) -> None:
    model = tiny.base("gpt2", pad_token_id=tiny.SEP)
    logging.get_logger("transformers.modeling_utils").warning("another wall")
    model(input_ids=torch.tensor([[5, 6, tiny.SEP]]))
    assert caplog.messages == ["another wall"]


def test_sound_needs_no_mask(caplog: pytest.LogCaptureFixture) -> None:
    whisper = WhisperForConditionalGeneration(tiny.configs["whisper"](pad_token_id=tiny.SEP)).eval()
    started = torch.full((2, 1), tiny.CLS)
    GenerationMixin.generate(whisper, input_features=torch.zeros(2, 8, 32), decoder_input_ids=started, max_new_tokens=1)
    assert not any("mask" in said for said in caplog.messages)


def test_everything_is_as_it_was_afterwards_even_after_an_error() -> None:
    def state() -> tuple[int, bool, bool]:
        return logging.get_verbosity(), logging.is_progress_bar_enabled(), are_progress_bars_disabled()

    def fail() -> None:
        with quiet():
            assert state() != before
            raise ValueError("raised as ever")

    before = state()
    with pytest.raises(ValueError, match="raised as ever"):
        fail()
    assert state() == before
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard again", stacklevel=1)
