"""Logits at labelled positions alone, and losses without ever more logits than allowed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers

import tiny
from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.model.labelled import labelled_logits, labelled_losses

IDS = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 0, 0]])
LABELS = torch.tensor([[-100, 7, 8, 9, 3], [11, 12, 3, -100, -100]])
BATCH = Batch({"input_ids": IDS}, {"labels": LABELS}, torch.arange(2), 8)


def made(family: str, **config: Any) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(tiny.configs[family](initializer_range=0.3, **config)).eval()


@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama", "qwen2"])
def test_losses_and_gradients_are_those_of_all_logits(family: str) -> None:
    module = made(family)
    there = LABELS != -100
    logits = module(input_ids=IDS).logits[there]
    whole = F.cross_entropy(logits, LABELS[there], reduction="none")
    whole.sum().backward()
    expected = {name: parameter.grad.clone() for name, parameter in module.named_parameters()}
    module.zero_grad()
    losses, right = labelled_losses(BATCH, Forward(module), most=2 * len(tiny.VOCABULARY))
    losses.sum().backward()
    assert torch.allclose(losses, whole, atol=1e-5)
    assert torch.equal(right, logits.argmax(dim=1) == LABELS[there])
    for name, parameter in module.named_parameters():
        assert torch.allclose(parameter.grad, expected[name], atol=1e-4), name


@pytest.mark.parametrize("most", [1, 3 * len(tiny.VOCABULARY), 10**9])
def test_logits_never_exceed_the_bound(most: int) -> None:
    module, sizes = made("llama"), []
    module.lm_head.register_forward_hook(lambda matrix, inputs, output: sizes.append(output.numel()))
    losses, _ = labelled_losses(BATCH, Forward(module), most)
    losses.sum().backward()
    assert max(sizes) <= max(most, len(tiny.VOCABULARY))
    assert max(sizes) == min(7, max(1, most // len(tiny.VOCABULARY))) * len(tiny.VOCABULARY)


def test_logits_are_made_at_labels_alone() -> None:
    module = made("gpt2")
    logits, targets = labelled_logits(BATCH, Forward(module))
    assert targets.tolist() == [7, 8, 9, 3, 11, 12, 3]
    assert torch.allclose(logits, module(input_ids=IDS).logits[LABELS != -100], atol=1e-5)


def test_it_works_within_autocast() -> None:
    module = made("llama")
    found, _ = labelled_losses(BATCH, Forward(module, dtype=torch.bfloat16), most=1)
    assert found.dtype == torch.float32
    assert torch.allclose(found, labelled_losses(BATCH, Forward(module))[0], rtol=0.1, atol=0.3)
