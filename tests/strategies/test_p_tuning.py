"""P-tuning: a network makes the vectors; the base stays."""

from __future__ import annotations

import pytest
import torch

import tiny
from training import tiny_fit, weights
from tunesmith.model.soft_prompts import encoder_of, words_of
from tunesmith.strategies.p_tuning import PTuning


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_the_network_learns_and_the_base_does_not(network: str) -> None:
    parts = [PTuning(tokens=2, width=8, network=network)]
    before, after = weights(tiny_fit(None, parts, steps=1, learning_rate=1e-30)), weights(tiny_fit(None, parts))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("prompt_encoder" in name and "head" in name for name in changed)
    assert all("prompt_encoder" in name or "modules_to_save" in name for name in changed)


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_the_vectors_start_as_words(network: str) -> None:
    run = tiny_fit(None, [PTuning(tokens=3, width=8, network=network)], steps=1, learning_rate=1e-30).run
    made = encoder_of(run.model).eval()(torch.arange(3))
    torch.testing.assert_close(made, run.model.get_input_embeddings().weight[words_of(run, 3)], rtol=1e-3, atol=1e-4)


def test_the_vectors_are_what_the_network_makes() -> None:
    torch.manual_seed(0)
    adapted = PTuning(tokens=3, width=8).adapt(tiny.bert()).eval()
    encoder = adapted.prompt_encoder["default"]
    expected = encoder.mlp_head(encoder.embedding.weight)
    torch.testing.assert_close(encoder(torch.arange(3)), expected)
    assert expected.shape == (3, 32)
