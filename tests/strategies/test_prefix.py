"""Prefix tuning: keys and values beside those of the text."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

import tiny
from training import tiny_fit, weights
from tunesmith.model.soft_prompts import encoder_of, keys_and_values, words_of
from tunesmith.strategies.prefix import Prefix


@pytest.mark.parametrize("projection", [False, True])
def test_the_prefix_and_the_head_learn_and_the_base_does_not(projection: bool) -> None:
    parts = [Prefix(tokens=2, projection=projection)]
    before, after = weights(tiny_fit(None, parts, steps=1, learning_rate=1e-30)), weights(tiny_fit(None, parts))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("prompt_encoder" in name for name in changed)
    assert all("prompt_encoder" in name or "modules_to_save" in name for name in changed)


def test_layers_attend_to_the_prefix_as_to_a_past() -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny.configs["gpt2"]()).eval()
    adapted = Prefix(tokens=3).adapt(model).eval()
    ids = torch.tensor([[2, 10, 11, 3]])
    with torch.no_grad():
        prefix = adapted.prompt_encoder["default"].embedding.weight.view(3, 3 * 2, 2, 16)  # (tokens, 2 * layers, heads, size)
        pairs = [(prefix[:, 2 * layer].transpose(0, 1)[None], prefix[:, 2 * layer + 1].transpose(0, 1)[None]) for layer in range(3)]
        expected = model(input_ids=ids, past_key_values=DynamicCache(pairs), attention_mask=torch.ones(1, 7, dtype=torch.int64)).logits
        torch.testing.assert_close(adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits, expected)


@pytest.mark.parametrize("projection", [False, True])
def test_it_starts_as_what_the_layers_make_of_words(projection: bool) -> None:
    run = tiny_fit(None, [Prefix(tokens=3, projection=projection)], steps=1, learning_rate=1e-30).run
    made = encoder_of(run.model)(torch.arange(3))
    expected = keys_and_values(run.model.get_base_model(), words_of(run, 3))
    torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-3)
    other = tiny_fit(None, [Prefix(tokens=3, projection=projection, start="random")], steps=1, learning_rate=1e-30).run
    assert not torch.allclose(encoder_of(other.model)(torch.arange(3)), expected, atol=0.1)


def test_a_perceptron_learns_at_a_tenth_of_the_rate() -> None:
    run = tiny_fit(None, [Prefix(tokens=2, projection=True)], steps=1).run
    rates = {name: rule.rate for name, rule in run.rules.items() if rule.learns}
    assert {rate for name, rate in rates.items() if "prompt_encoder" in name} == {
        0.1 * rate for name, rate in rates.items() if "classifier" in name
    }
