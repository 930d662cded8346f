"""P-tuning: a network makes the vectors; the base stays."""

from __future__ import annotations

import pytest
import torch

import tiny
from training import tiny_fit, weights
from tunesmith.strategies.p_tuning import PTuning


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_the_network_learns_and_the_base_does_not(network: str) -> None:
    parts = [PTuning(tokens=2, width=8, network=network)]
    before, after = weights(tiny_fit(None, parts, steps=1, learning_rate=1e-30)), weights(tiny_fit(None, parts))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("prompt_encoder" in name and "head" in name for name in changed)
    assert all("prompt_encoder" in name or "modules_to_save" in name for name in changed)


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_the_vectors_start_as_large_as_those_of_words(network: str) -> None:
    model = tiny.bert()
    words = model.get_input_embeddings().weight.detach().clone()
    encoder = PTuning(tokens=5, width=8, network=network).adapt(model).eval().get_submodule("prompt_encoder.default")
    with torch.no_grad():
        torch.testing.assert_close(encoder(torch.arange(5)).std(), words.std())


def test_the_vectors_are_what_the_network_makes() -> None:
    torch.manual_seed(0)
    adapted = PTuning(tokens=3, width=8).adapt(tiny.bert()).eval()
    encoder = adapted.prompt_encoder["default"]
    expected = encoder.mlp_head(encoder.embedding.weight)
    torch.testing.assert_close(encoder(torch.arange(3)), expected)
    assert expected.shape == (3, 32)
