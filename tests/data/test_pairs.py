"""Sources and targets as tokens, for both kinds of models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.packing import IGNORED
from tunesmith.data.pairs import Form, encode_pairs, pad_pairs

ROWS = [{"source": "a good film"}, {"source": "the cat"}]
TARGETS = ["good", "sad cat yes"]


def form_of(family: str, tokenizer: Any, **settings: Any) -> Form:
    auto = transformers.AutoModelForCausalLM if family in ("gpt2", "llama", "bert") else transformers.AutoModelForSeq2SeqLM
    module = auto.from_config(tiny.configs[family](is_decoder=True) if family == "bert" else tiny.configs[family]())
    return Form.of(module, tokenizer, **{"chat": None, "max_source": 32, "max_target": 8} | settings)


def words(ids: Any) -> list[str]:
    return [tiny.VOCABULARY[i] if i >= 0 else "-" for i in ids]


def test_a_decoder_goes_on_behind_the_source() -> None:
    tokenizer = tiny.tokenizer()
    form = form_of("gpt2", tokenizer)
    items = encode_pairs(ROWS, TARGETS, "{source} :", tokenizer, form)
    inputs, targets, tokens = pad_pairs(items, form, tiny.PAD)
    assert inputs.keys() == {"input_ids"}
    assert words(inputs["input_ids"][0]) == ["[CLS]", "a", "good", "film", "[UNK]", "good", "[PAD]"]
    assert words(targets["labels"][0]) == ["-", "-", "-", "-", "good", "[SEP]", "-"]
    assert words(targets["labels"][1]) == ["-", "-", "-", "sad", "cat", "yes", "[SEP]"]
    assert tokens == 6 + 7
    assert [item["length"] for item in items] == [7, 8]


@pytest.mark.parametrize(("family", "start"), [("t5", "[PAD]"), ("bart", "[CLS]"), ("marian", "[CLS]")])
def test_an_encoder_decoder_reads_and_writes(family: str, start: str) -> None:
    tokenizer = tiny.tokenizer()
    form = form_of(family, tokenizer)
    inputs, targets, tokens = pad_pairs(encode_pairs(ROWS, TARGETS, "{source}", tokenizer, form), form, tiny.PAD)
    assert words(inputs["input_ids"][1]) == ["[CLS]", "the", "cat", "[SEP]", "[PAD]"]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert words(inputs["decoder_input_ids"][1])[0] == start
    own = ["[CLS]"] if family == "t5" else []  # which its texts do not begin behind, so that it is learned
    assert words(targets["labels"][1]) == [*own, "sad", "cat", "yes", "[SEP]"]
    assert tokens == 9 + int((targets["labels"] != IGNORED).sum())


def test_without_targets_there_are_sources_alone() -> None:
    tokenizer = tiny.tokenizer()
    form = form_of("bart", tokenizer)
    inputs, targets, _ = pad_pairs(encode_pairs(ROWS, None, "{source}", tokenizer, form), form, tiny.PAD)
    assert inputs.keys() == {"input_ids", "attention_mask"}
    assert targets == {}


def test_what_is_cut_is_counted_and_loses_its_end() -> None:
    tokenizer = tiny.tokenizer()
    form = form_of("llama", tokenizer, max_source=8, max_target=3)
    [item] = encode_pairs([{"source": "cat " * 20}], ["good good good good"], "{source}", tokenizer, form)
    assert len(item["input_ids"]) == 8
    assert words(item["labels"]) == ["good", "good", "good"]
    assert item["truncated"] == 13 + 2


def test_a_target_that_just_fits_keeps_its_end() -> None:
    tokenizer = tiny.tokenizer()
    [item] = encode_pairs(ROWS[:1], ["good good"], "{source}", tokenizer, form_of("llama", tokenizer, max_target=3))
    assert words(item["labels"]) == ["good", "good", "[SEP]"]
    assert item["truncated"] == 0


def test_source_and_target_share_the_positions_of_a_decoder() -> None:
    tokenizer = tiny.tokenizer(max_length=40)
    form = form_of("gpt2", tokenizer, max_source=500, max_target=500)
    assert (form.max_source, form.max_target) == (20, 20)
    form = form_of("bart", tokenizer, max_source=500, max_target=500)
    assert (form.max_source, form.max_target) == (40, 40)


def test_a_chat_that_has_no_template_is_refused() -> None:
    with pytest.raises(InputError, match="the tokenizer has no chat template"):
        form_of("llama", tiny.tokenizer(), chat=True)


def test_the_loss_is_that_of_transformers() -> None:
    tokenizer = tiny.tokenizer()
    torch.manual_seed(0)
    module = transformers.AutoModelForSeq2SeqLM.from_config(tiny.configs["bart"]()).eval()
    form = Form.of(module, tokenizer, None, 32, 8)
    inputs, targets, _ = pad_pairs(encode_pairs(ROWS, TARGETS, "{source}", tokenizer, form), form, tiny.PAD)
    with torch.no_grad():
        ours, theirs = module(**inputs, **targets).loss, module(**{**inputs, "decoder_input_ids": None}, **targets).loss
    assert ours.item() == pytest.approx(theirs.item())
