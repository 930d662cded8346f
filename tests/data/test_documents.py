"""Documents as windows in which every token is foreseen once."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as some

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.documents import Windows, encode_documents, encode_prompts, pad_documents
from tunesmith.data.packing import IGNORED

WINDOWS = Windows(start=tiny.CLS, end=tiny.SEP, size=8, share=2)


def made() -> Any:
    return transformers.AutoModelForCausalLM.from_config(tiny.configs["gpt2"]())


@settings(max_examples=50)
@given(some.integers(2, 60), some.integers(4, 12), some.integers(0, 4))
def test_every_token_is_foreseen_once(length: int, size: int, share: int) -> None:
    windows = Windows(0, 1, size, min(share, size // 2))
    foreseen = [place + 1 for start, end, known in windows.cut(length) for place in range(start + known, end)]
    assert foreseen == list(range(1, length))
    assert all(0 < end - start <= size for start, end, _ in windows.cut(length))


def test_windows_share_what_was_seen() -> None:
    assert list(WINDOWS.cut(18)) == [(0, 8, 0), (6, 14, 2), (12, 17, 2)]
    assert list(WINDOWS.cut(9)) == [(0, 8, 0)]
    assert list(WINDOWS.cut(2)) == [(0, 1, 0)]


def test_a_document_stands_between_a_start_and_an_end() -> None:
    items = encode_documents(["a good film", "good " * 12], tiny.tokenizer(), WINDOWS, prompt=2)
    assert [item["example"] for item in items] == [0, 1, 1]
    assert [item["length"] for item in items] == [4, 8, 7]
    assert [item["known"] for item in items] == [0, 0, 2]
    assert [item["prompt"] for item in items] == [2, 3, 0]
    assert [tiny.VOCABULARY[i] for i in items[0]["input_ids"]] == ["[CLS]", "a", "good", "film", "[SEP]"]


@pytest.mark.parametrize("packed", [True, False])
def test_labels_are_what_comes_next(packed: bool) -> None:
    items = encode_documents(["a good film", "good " * 12], tiny.tokenizer(), WINDOWS, prompt=2)
    found = pad_documents(items, tiny.PAD, packed)
    for item, (row, start, end) in zip(items, found.places, strict=True):
        assert found.inputs["input_ids"][row, start:end].tolist() == item["input_ids"][:-1]
        known = item["known"]
        assert found.labels[row, start:end].tolist() == [IGNORED] * known + item["input_ids"][known + 1 :]
    assert int((found.labels != IGNORED).sum()) == 4 + 13


def test_short_documents_share_a_row() -> None:
    items = encode_documents(["good", "good film", "a", "good " * 6], tiny.tokenizer(), WINDOWS, prompt=2)
    assert len(pad_documents(items, tiny.PAD, packed=True).labels) == 2
    assert len(pad_documents(items, tiny.PAD, packed=False).labels) == 4


def test_a_prompt_that_is_too_long_keeps_its_end() -> None:
    [item] = encode_prompts(["the cat was very good"], tiny.tokenizer(), WINDOWS, room=3)
    assert [tiny.VOCABULARY[i] for i in item["input_ids"][: item["prompt"]]] == ["was", "very", "good"]
    assert item["truncated"] == 3
    assert item["known"] == item["length"] == 3


def test_the_windows_of_a_model() -> None:
    tokenizer = tiny.tokenizer(max_length=40)
    assert Windows.of(made(), tokenizer, 16, 4) == Windows(tiny.CLS, tiny.SEP, 16, 4)
    assert Windows.of(made(), tokenizer, 500, 0).size == 40
    with pytest.raises(InputError, match=r"windows of 16 tokens cannot share 9. Set task.stride to 8 at most"):
        Windows.of(made(), tokenizer, 16, 9)


def test_where_a_tokenizer_puts_no_start_documents_begin_behind_an_end() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.backend_tokenizer.post_processor = None
    module = made()
    module.generation_config.eos_token_id = 7
    assert Windows.of(module, tokenizer, 16, 0).start == Windows.of(module, tokenizer, 16, 0).end
