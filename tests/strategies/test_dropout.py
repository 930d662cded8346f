"""Dropout is set where it is, and attention's apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tiny
from tunesmith.strategies.dropout import Dropout, set_dropout, weighs


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "albert", "gpt2", "xlnet", "t5", "bart"])
def test_without_dropout_training_and_evaluation_give_the_same(family: str) -> None:
    model = tiny.base(family)
    assert set_dropout(model, 0.0, 0.0) > 0
    inputs = {"input_ids": torch.randint(5, 50, (2, 9))}
    inputs |= {"decoder_input_ids": inputs["input_ids"]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        trained, used = model.train()(**inputs)[0], model.eval()(**inputs)[0]
    assert torch.allclose(trained, used, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "attention"),
    [
        ("bert.encoder.layer.0.attention.self.dropout", True),
        ("bert.encoder.layer.0.attention.output.dropout", False),
        ("bert.encoder.layer.0.output.dropout", False),
        ("bert.embeddings.dropout", False),
        ("transformer.h.0.attn.attn_dropout", True),
        ("transformer.h.0.attn.resid_dropout", False),
        ("distilbert.transformer.layer.0.attention.dropout", True),
        ("dropout", False),
    ],
)
def test_attention_weights_are_told_from_hidden_values(name: str, attention: bool) -> None:
    assert weighs(name) == attention


def test_the_two_rates_go_to_their_places() -> None:
    model = Dropout(rate=0.2, attention=0.4).adapt(tiny.bert())
    rates = {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    assert rates["bert.encoder.layer.0.attention.self.dropout"] == 0.4
    assert {rate for name, rate in rates.items() if ".self." not in name} == {0.2}
