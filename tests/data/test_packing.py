"""Packing: texts share rows, and each is read as if it stood there alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import transformers
from hypothesis import given, settings
from hypothesis import strategies as some

import tiny
from tunesmith.data.packing import IGNORED, block_mask, by_text, pack, packs
from tunesmith.model.attention import use_plain_attention

TEXTS = [[5, 6, 7, 8, 9, 10, 11], [12, 13, 14], [7, 5], [9, 9, 8, 6]]


def of_next(texts: list[list[int]]) -> list[list[int]]:
    return [[*text[1:], tiny.SEP] for text in texts]


@settings(max_examples=30)
@given(some.lists(some.integers(1, 12), min_size=1, max_size=20), some.integers(1, 20))
def test_every_text_is_in_one_row_that_holds_it(lengths: list[int], size: int) -> None:
    rows = packs(lengths, size)
    assert sorted(text for row in rows for text in row) == list(range(len(lengths)))
    assert all(sum(lengths[text] for text in row) <= size or len(row) == 1 for row in rows)


def test_few_rows_are_needed() -> None:
    assert packs([3, 7, 4, 6, 5, 5], 10) == [[0, 1], [2, 3], [4, 5]]
    assert packs([4, 4, 4], 4) == [[0], [1], [2]]


def test_rows_in_numbers() -> None:
    packed = pack([[5, 6, 7], [8, 9], [4]], [[6, 7, IGNORED], [9, 3], [3]], pad=0)
    assert packed.inputs["input_ids"].tolist() == [[5, 6, 7], [8, 9, 4]]
    assert packed.inputs["position_ids"].tolist() == [[0, 1, 2], [0, 1, 0]]
    assert packed.labels.tolist() == [[6, 7, IGNORED], [9, 3, 3]]
    assert packed.places == [(0, 0, 3), (1, 0, 2), (1, 2, 3)]
    seen = packed.inputs["attention_mask"] == 0
    assert seen[1, 0].tolist() == [[True, False, False], [True, True, False], [False, False, True]]


def test_what_is_found_at_tokens_is_told_by_text() -> None:
    packed = pack([[5, 6, 7], [8, 9], [4]], [[6, 7, IGNORED], [9, 3], [IGNORED]], pad=0)
    told = by_text(packed.places, packed.labels, torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([True, False, True, True]))
    assert told == [
        {"loss": 3.0, "right": 1, "tokens": 2},
        {"loss": 12.0, "right": 2, "tokens": 2},
        {"loss": 0.0, "right": 0, "tokens": 0},
    ]


def test_texts_of_one_length_need_no_mask() -> None:
    packed = pack([[5, 6], [7, 8]], [[6, 3], [8, 3]], pad=0)
    assert packed.inputs.keys() == {"input_ids"}


def test_padding_sees_itself_so_that_no_number_is_lost() -> None:
    seen = block_mask(torch.tensor([[0, 0, -1, -1]]))[0, 0] == 0
    assert seen.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("attention", ["eager", "sdpa", "tunesmith"])
@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama", "qwen2"])
def test_a_text_has_the_loss_that_it_has_alone(family: str, attention: str) -> None:
    torch.manual_seed(0)
    config = tiny.configs[family](initializer_range=0.3)
    known = "sdpa" if attention == "tunesmith" else attention
    module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=known).eval()
    if attention == "tunesmith":
        assert use_plain_attention(module)
    packed = pack(TEXTS, of_next(TEXTS), tiny.PAD, size=12)
    assert len(packed.labels) == 2
    with torch.set_grad_enabled(attention == "tunesmith"):  # which computes in another way where there are gradients
        logits = module(**packed.inputs).logits
        for (row, start, end), text, following in zip(packed.places, TEXTS, of_next(TEXTS), strict=True):
            alone = F.cross_entropy(module(input_ids=torch.tensor([text])).logits[0], torch.tensor(following), reduction="sum")
            together = F.cross_entropy(logits[row, start:end], packed.labels[row, start:end], reduction="sum")
            assert together.item() == pytest.approx(alone.item(), abs=1e-5)
        without = module(packed.inputs["input_ids"]).logits
    assert (without - logits).abs().max() > 0.01  # the texts would have seen each other
