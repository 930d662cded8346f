"""The body of a model is found in every family, and what it gave can be given again."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

import tiny
from tunesmith.model.body import body, recorded, replayed, whole
from tunesmith.strategies.lora import LoRA

IDS = torch.tensor([[2, 9, 11, 3], [2, 8, 7, 3]])


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "albert", "xlnet", "gpt2", "llama", "bart", "t5"])
def test_a_head_computes_the_same_on_what_the_body_gave(family: str) -> None:
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=3)).eval()
    inner = body(model)
    assert inner is not None
    with recorded(inner) as outputs:
        plain = model(IDS).logits
    calls: list[int] = []
    hook = next(inner.children()).register_forward_hook(lambda *given: calls.append(1))
    with replayed(inner, outputs):
        assert torch.equal(model(IDS).logits, plain)
    assert not calls
    hook.remove()
    assert torch.equal(model(IDS).logits, plain)


def test_several_calls_are_given_in_their_order() -> None:
    model = tiny.bert().eval()
    inner = body(model)
    with recorded(inner) as outputs:
        plain = [model(ids[None]).logits for ids in IDS]
    with replayed(inner, outputs):
        assert all(torch.equal(model(IDS).logits, logits) for logits in plain)
    assert not torch.equal(*plain)


def test_a_model_without_a_head_and_a_plain_module_have_no_body() -> None:
    assert body(tiny.base("bert")) is None
    assert body(nn.Linear(2, 2)) is None


def test_what_peft_wraps_is_found() -> None:
    model = tiny.bert()
    wrapped = LoRA.example().adapt(model)
    assert whole(wrapped) is model
    assert body(wrapped) is model.bert
