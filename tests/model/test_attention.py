"""The CPU's attention against transformers' own."""

from __future__ import annotations

from functools import partial

import pytest
import torch

import tiny
from tunesmith.model.attention import LONG, NAME, attention, plain_attention, use_plain_attention

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


@pytest.mark.parametrize("heads", [2, 4])
def test_long_texts_have_the_gradients_of_plain_products_and_no_table_of_all_pairs(heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    given = [torch.randn(2, count, LONG, 8) for count in (heads, 2, 2)]
    causal = torch.zeros(2, 1, LONG, LONG).masked_fill(torch.ones(LONG, LONG).triu(1).bool(), torch.finfo(torch.float32).min)
    found, kept = {}, {}
    for name, length in (("fused", LONG), ("plain", LONG + 1)):
        monkeypatch.setattr("tunesmith.model.attention.LONG", length)
        parts, sizes = [tensor.clone().requires_grad_() for tensor in given], list[int]()
        with torch.autograd.graph.saved_tensors_hooks(partial(noted, sizes), lambda tensor: tensor):
            mixed, _ = attention(torch.nn.Identity(), *parts, causal)
        mixed.square().sum().backward()
        found[name], kept[name] = [mixed, *(part.grad for part in parts)], max(sizes)
    for one, other in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert kept["plain"] == 2 * heads * LONG * LONG > kept["fused"]


def noted(sizes: list[int], tensor: torch.Tensor) -> torch.Tensor:
    sizes.append(tensor.numel())
    return tensor


@pytest.mark.parametrize("heads", [2, 4])
def test_one_position_sees_what_it_sees_among_others(heads: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, heads, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
    mask = torch.zeros(2, 1, 5, 5).masked_fill(torch.ones(5, 5).triu(1).bool(), -1e9)
    with torch.no_grad():
        whole, _ = attention(torch.nn.Identity(), query, key, value, mask)
        last, _ = attention(torch.nn.Identity(), query[:, :, -1:], key, value, mask[:, :, -1:])
    torch.testing.assert_close(last, whole[:, -1:], atol=1e-6, rtol=1e-5)


def test_for_a_while_alone() -> None:
    model = tiny.base("llama")
    before = model.config._attn_implementation
    with plain_attention(model):
        assert model.config._attn_implementation == NAME
    assert model.config._attn_implementation == before != NAME


def test_an_unknown_family_keeps_its_own() -> None:
    model = tiny.base("t5")
    before = model.config._attn_implementation
    assert not use_plain_attention(model)
    assert model.config._attn_implementation == before
