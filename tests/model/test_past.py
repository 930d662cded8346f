"""Prompts that are computed in groups of like length."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from peft import PromptTuningConfig

import tiny
from tunesmith.model.adapters import wrap
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate
from tunesmith.model.past import Roomy, past

PROMPTS = [[tiny.CLS, *range(5, 35)], [tiny.CLS, *range(9, 37)], [tiny.CLS, 9, 10, 11], [tiny.CLS, 12, 13], [tiny.CLS]]


def made(family: str) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(tiny.configs[family](initializer_range=0.3)).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[tiny.PAD] * (longest - len(prompt)) + prompt for prompt in PROMPTS])
    return ids, torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])


@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama", "qwen2"])
def test_keys_and_values_are_those_of_one_pass(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.model.past.PADDING", 20)
    module, (ids, mask) = made(family), inputs()
    cache = past(module, ids, mask, 3)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    with torch.no_grad():
        expected = module(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True).past_key_values
    real = mask[:, :-1].bool()
    for layer, other in zip(cache.layers, expected.layers, strict=True):
        for found, right in ((layer.keys, other.keys), (layer.values, other.values)):
            torch.testing.assert_close(found.transpose(1, 2)[real], right[:, :, :-1].transpose(1, 2)[real], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_what_is_written_is_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = made(family), []
    plain = [generate(module, tiny.tokenizer(), [prompt], Decoding(5))[0] for prompt in PROMPTS]
    monkeypatch.setattr("tunesmith.model.past.PADDING", 20)
    module.get_input_embeddings().register_forward_pre_hook(lambda part, given: seen.append(tuple(given[0].shape)))
    assert generate(module, tiny.tokenizer(), PROMPTS, Decoding(5)) == plain
    assert seen[:3] == [(2, 30), (3, 3), (5, 1)]


def test_what_is_kept_in_another_way_is_left() -> None:
    ids, mask = inputs()
    prompted = wrap(made("llama"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    settings = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "sliding_window": 8}
    windowed = transformers.MistralForCausalLM(transformers.MistralConfig(vocab_size=90, **settings)).eval()
    assert past(prompted, ids, mask, 3) is None
    assert past(windowed, ids, mask, 3) is None
    empty = past(made("llama"), ids[:2], mask[:2], 3)  # nothing to save
    assert empty is not None
    assert empty.get_seq_length() == 0


def test_a_layer_grows_in_its_room_and_beyond() -> None:
    layer, states = Roomy(4), torch.randn(2, 1, 6, 3)
    layer.update(states[:, :, :2], states[:, :, :2])
    place = layer.keys.data_ptr()
    layer.update(states[:, :, 2:4], states[:, :, 2:4])
    assert layer.keys.data_ptr() == place
    keys, values = layer.update(states[:, :, 4:], states[:, :, 4:])
    assert keys.equal(states)
    assert values.equal(states)
