"""Inputs as vectors: the mean over real positions, whatever a row is batched with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from training import tiny_fit
from tunesmith.core.task import Head
from tunesmith.data.text import encode_texts, pad_texts
from tunesmith.data.unlabelled import passes
from tunesmith.model.build import build
from tunesmith.model.embed import embed, features

TEXTS = ["a good film", "bad", "the music was wonderful and the story was well", "a good film"]


@pytest.mark.parametrize("family", ["bert", "gpt2", "bart", "xlnet"])
def test_each_vector_is_the_mean_of_its_own_states(family: str, tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path, family)), Head("AutoModelForSequenceClassification", {"num_labels": 2}))
    inputs, _ = pad_texts(encode_texts(TEXTS, None, model.tokenizer, 64), model.tokenizer)
    vectors = embed(model.module, inputs)
    assert vectors.shape == (len(TEXTS), 32)
    assert not vectors.requires_grad
    backbone = model.module.base_model
    backbone = backbone.get_encoder() if model.module.config.is_encoder_decoder else backbone
    for text, vector in zip(TEXTS, vectors, strict=True):
        alone, _ = pad_texts(encode_texts([text], None, model.tokenizer, 64), model.tokenizer)
        assert "attention_mask" not in alone
        with torch.no_grad():
            states = backbone(**alone).last_hidden_state[0]
        assert torch.allclose(vector, states.mean(dim=0), atol=1e-5), text
        assert torch.equal(embed(model.module, alone)[0], states.mean(dim=0))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers for a property by its old name
def test_an_adapter_is_part_of_the_model(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = build(str(tiny.folder(tmp_path)), Head("AutoModelForSequenceClassification", {"num_labels": 2}))
    inputs, _ = pad_texts(encode_texts(TEXTS, None, model.tokenizer, 64), model.tokenizer)
    before = embed(model.module, inputs)
    adapted = get_peft_model(model.module, LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)).eval()
    assert embed(adapted, inputs).shape == before.shape
    assert not torch.allclose(embed(adapted, inputs), before, atol=1e-5)


def test_features_are_those_of_the_model_in_evaluation_and_it_goes_on_training() -> None:
    run = tiny_fit(None, steps=1).run
    run.model.train()
    one, other = (features(run, passes(run.train, run)) for _ in range(2))
    assert one.shape == (len(run.train), 32)
    np.testing.assert_array_equal(one, other)
    assert run.model.training
