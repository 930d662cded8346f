"""Which models write, and how they end."""

from __future__ import annotations

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.ending import check_writes, end_with, ends, is_joined
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


def test_what_reads_does_not_write() -> None:
    check_writes(decoder())
    for family in ("bert", "bart"):
        with pytest.raises(InputError, match=f"{family} models read texts and do not write any"):
            check_writes(tiny.base(family))


def test_a_model_that_was_taught_joined_turns() -> None:
    assert not is_joined(decoder())
    assert is_joined(decoder(task_specific_params={"conversational": {"max_length": 1000}}))
