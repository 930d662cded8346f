"""Which models write, and how they end."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

import tiny
from tunesmith.model.ending import end_with, ends, is_joined, sees_ahead
from tunesmith.model.quiet import quiet


def decoder(**config: object) -> PreTrainedModel:
    return AutoModelForCausalLM.from_config(tiny.configs["llama"](num_hidden_layers=1, **config))


def test_a_token_ends_what_is_written_here_and_later() -> None:
    model, tokenizer = decoder(), tiny.tokenizer()
    assert ends(model, tokenizer) == [tiny.SEP]
    end_with(model, tokenizer, tiny.SEP)
    assert model.generation_config.eos_token_id == tiny.SEP
    with quiet():
        adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    end_with(adapted, tokenizer, tiny.MASK)
    assert model.generation_config.eos_token_id == [tiny.SEP, tiny.MASK] == ends(model, tokenizer)
    tokenizer.eos_token = "[CLS]"
    assert ends(model, tokenizer) == [tiny.SEP, tiny.MASK, tiny.CLS]


@pytest.mark.parametrize(
    ("family", "config", "ahead"),
    [
        ("llama", {}, False),
        ("gpt2", {}, False),
        ("bart", {}, False),
        ("bert", {"is_decoder": True}, False),
        ("bert", {}, True),
        ("xlnet", {}, True),
    ],
)
def test_a_model_that_sees_ahead_is_known_by_trying(family: str, config: dict[str, bool], ahead: bool) -> None:
    with quiet():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(tiny.configs[family](**config)).eval()
    assert sees_ahead(model) is ahead


def test_a_model_that_was_taught_joined_turns() -> None:
    assert not is_joined(decoder())
    assert is_joined(decoder(task_specific_params={"conversational": {"max_length": 1000}}))
