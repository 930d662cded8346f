"""The CPU's attention against transformers' own."""

from __future__ import annotations

import pytest
import torch

import tiny
from tunesmith.model.attention import NAME, use_plain_attention

FAMILIES = ["bert", "roberta", "distilbert", "electra", "albert", "gpt2", "gptneox", "llama", "qwen2"]


def batch() -> dict[str, torch.Tensor]:
    return dict(tiny.tokenizer(token_types=False)(["a good film", "this is a very good film !", "bad"], padding=True, return_tensors="pt"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("grad", [False, True])
def test_outputs_are_those_of_transformers(family: str, grad: bool) -> None:
    inputs = batch()
    real = inputs["attention_mask"].bool()
    reference, plain = tiny.base(family).eval(), tiny.base(family).eval()
    reference.set_attn_implementation("eager")
    assert use_plain_attention(plain)
    assert plain.config._attn_implementation == NAME
    with torch.set_grad_enabled(grad):
        expected, found = (model(**inputs).last_hidden_state for model in (reference, plain))
    assert torch.allclose(found[real], expected[real], atol=1e-5)


def test_gradients_are_those_of_transformers() -> None:
    reference, plain = tiny.base("bert").eval(), tiny.base("bert").eval()
    use_plain_attention(plain)
    for model in (reference, plain):
        model(**batch()).last_hidden_state.square().sum().backward()
    for one, other in zip(reference.parameters(), plain.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.allclose(one.grad, other.grad, atol=1e-4)


def test_an_unknown_family_keeps_its_own() -> None:
    model = tiny.base("t5")
    before = model.config._attn_implementation
    assert not use_plain_attention(model)
    assert model.config._attn_implementation == before
