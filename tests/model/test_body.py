"""The body of a model is found in every family, and what it gave can be given again."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

import tiny
from tunesmith.model.body import body, cut, mean_state, recorded, replayed, whole
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


def test_the_mean_of_a_recording_does_not_see_the_samples_that_pad_it() -> None:
    torch.manual_seed(0)
    sizes = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2, "feat_extract_norm": "layer"}
    sizes |= {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    sizes |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**sizes)).eval()
    waves, mask = torch.randn(2, 800), torch.ones(2, 800, dtype=torch.int64)
    waves[1, 400:], mask[1, 400:] = 0.0, 0
    padded, alone = {"input_values": waves, "attention_mask": mask}, {"input_values": waves[1:, :400]}
    with torch.no_grad():
        of_both, of_one = (mean_state(model, model(**inputs).last_hidden_state, inputs) for inputs in (padded, alone))
    torch.testing.assert_close(of_both[1], of_one[0])


def test_several_calls_are_given_in_their_order() -> None:
    model = tiny.bert().eval()
    inner = body(model)
    with recorded(inner) as outputs:
        plain = [model(ids[None]).logits for ids in IDS]
    with replayed(inner, outputs):
        assert all(torch.equal(model(IDS).logits, logits) for logits in plain)
    assert not torch.equal(*plain)


@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2", "bart"])
def test_a_head_that_is_cut_off_gives_the_same_and_no_gradient_below_it(family: str) -> None:
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=3)).eval()
    inner = body(model)
    assert inner is not None
    with cut(inner) as outputs:
        logits = model(IDS).logits
    assert torch.equal(logits, model(IDS).logits)
    logits.sum().backward()
    below = dict(inner.named_parameters())
    assert all(weight.grad is None for weight in below.values())
    assert any(weight.grad is not None for weight in model.parameters())
    outputs[0][0].sum().backward()
    assert any(weight.grad is not None for weight in below.values())


def test_a_model_without_a_head_and_a_plain_module_have_no_body() -> None:
    assert body(tiny.base("bert")) is None
    assert body(nn.Linear(2, 2)) is None


def test_what_peft_wraps_is_found() -> None:
    model = tiny.bert()
    wrapped = LoRA.example().adapt(model)
    assert whole(wrapped) is model
    assert body(wrapped) is model.bert
