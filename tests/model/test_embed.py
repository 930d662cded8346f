"""Texts as vectors: the mean over real tokens, whatever a text is batched with."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

import tiny
from tunesmith.core.task import Head
from tunesmith.model import embed as embedding
from tunesmith.model.build import Model, build
from tunesmith.model.embed import embed

TEXTS = ["a good film", "bad", "the music was wonderful and the story was well", "", "a good film"]


def model(path: Path, family: str) -> Model:
    return build(str(tiny.folder(path, family)), Head("AutoModelForSequenceClassification", {"num_labels": 2}))


@pytest.mark.parametrize("family", ["bert", "gpt2", "bart"])
def test_each_vector_is_the_mean_of_its_own_states(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = model(tmp_path, family)
    together = embed(built, TEXTS, 64, nullcontext())
    assert together.shape == (len(TEXTS), 32)
    assert not together.requires_grad
    backbone = built.module.base_model
    backbone = backbone.get_encoder() if built.module.config.is_encoder_decoder else backbone
    for text, vector in zip(TEXTS, together, strict=True):
        with torch.no_grad():
            states = backbone(**built.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        assert torch.allclose(vector, states.mean(dim=0), atol=1e-5), text
    monkeypatch.setattr(embedding, "POSITIONS", 12)  # several pieces
    assert torch.allclose(embed(built, TEXTS, 64, nullcontext()), together, atol=1e-5)


def test_texts_are_cut(tmp_path: Path) -> None:
    built = model(tmp_path, "bert")
    cut, short = embed(built, ["good bad film day", "good bad"], 4, nullcontext())
    assert torch.allclose(cut, short, atol=1e-5)
