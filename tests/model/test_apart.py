"""Families that keep the texts of a row apart, and those that do not."""

from __future__ import annotations

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.apart import keeps_apart, shares_rows, window

TEXTS = [[5, 6, 7], [8, 9]]
ENDS = [3, 5]
LOWEST = torch.finfo(torch.float32).min
SEEN = torch.tensor([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 1]])
ROW = {
    "input_ids": torch.tensor([[5, 6, 7, 8, 9]]),
    "position_ids": torch.tensor([[0, 1, 2, 0, 1]]),
    "attention_mask": (1.0 - SEEN)[None, None] * LOWEST,
}


def made(family: str) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(tiny.configs[family](initializer_range=0.1)).train()


@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama", "qwen2"])
def test_decoders_that_take_positions_and_a_mask_keep_texts_apart(family: str) -> None:
    module = made(family)
    assert keeps_apart(module, ROW, TEXTS, ENDS)
    assert module.training
    assert not keeps_apart(module, {"input_ids": ROW["input_ids"], "position_ids": ROW["position_ids"]}, TEXTS, ENDS)


def test_learned_positions_must_begin_anew() -> None:
    assert not keeps_apart(made("gpt2"), {"input_ids": ROW["input_ids"], "attention_mask": ROW["attention_mask"]}, TEXTS, ENDS)


def test_a_family_with_states_does_not() -> None:
    torch.manual_seed(0)
    config = transformers.RwkvConfig(vocab_size=90, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32, context_length=32)
    module = transformers.RwkvForCausalLM(config)
    assert not keeps_apart(module, ROW, TEXTS, ENDS)
    assert not shares_rows(module, None, 8, ROW, TEXTS, ENDS)
    with pytest.raises(InputError, match="rwkv models do not keep texts apart that share a row"):
        shares_rows(module, True, 8, ROW, TEXTS, ENDS)


def test_how_far_back_a_position_sees() -> None:
    assert window(made("llama")) == 0
    assert window(made("qwen2")) == 0  # which has a window, and does not use it
    settings = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = transformers.MistralConfig(vocab_size=90, sliding_window=16, **settings)
    module = transformers.MistralForCausalLM(config)
    assert window(module) == 16
    assert [shares_rows(module, None, size, ROW, TEXTS, ENDS) for size in (16, 17)] == [True, False]


def test_texts_share_rows_as_asked() -> None:
    assert [shares_rows(made("llama"), asked, 8, ROW, TEXTS, ENDS) for asked in (None, True, False)] == [True, True, False]
