"""Texts as tokens: every row as if it were alone, cut where it was said, and counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from tunesmith.core.task import RowError
from tunesmith.data.text import check_text, encode_texts, pad_texts

TEXTS = ["a good film", "bad", "the story of a very good cat and a bad dog"]
PAIRS = ["a bad film", "good", "the plot"]


@pytest.mark.parametrize("value", [None, "", "  \t\n"])
def test_an_empty_text_is_refused(value: Any) -> None:
    with pytest.raises(RowError, match="the text is empty") as caught:
        check_text(value, "text")
    assert caught.value.column == "text"


@pytest.mark.parametrize(("value", "shown"), [(12, "12 is no text"), (["a", "b"], r"\['a', 'b'\] is no text"), ({"a": "b " * 99}, "...")])
def test_what_is_no_text_is_refused(value: Any, shown: str) -> None:
    with pytest.raises(RowError, match=shown) as caught:
        check_text(value, "text_pair")
    assert len(caught.value.message) < 80


def test_a_text_may_be_anything_else() -> None:
    check_text("好", "text")
    check_text("?", "text")


@pytest.mark.parametrize("limit", range(4, 15))
@pytest.mark.parametrize("token_types", [True, False])
def test_what_was_cut_is_counted_whatever_the_limit(limit: int, token_types: bool) -> None:
    tokenizer = tiny.tokenizer(token_types=token_types)
    for pairs in (None, PAIRS):
        whole = [len(ids) for ids in tokenizer(TEXTS, pairs)["input_ids"]]
        assert [row["length"] + row["truncated"] for row in encode_texts(TEXTS, pairs, tokenizer, limit)] == whole


def test_texts_are_encoded_as_the_tokenizer_does() -> None:
    tokenizer = tiny.tokenizer()
    for text, row in zip(TEXTS, encode_texts(TEXTS, None, tokenizer, 64), strict=True):
        assert row == {"input_ids": tokenizer(text)["input_ids"], "length": len(tokenizer(text)["input_ids"]), "truncated": 0}
    for text, pair, row in zip(TEXTS, PAIRS, encode_texts(TEXTS, PAIRS, tokenizer, 64), strict=True):
        coded = tokenizer(text, pair)
        assert row["input_ids"] == coded["input_ids"]
        assert row["token_type_ids"] == coded["token_type_ids"]


def test_a_model_without_segments_gets_none() -> None:
    assert "token_type_ids" not in encode_texts(TEXTS, PAIRS, tiny.tokenizer(token_types=False), 64)[0]


@pytest.mark.parametrize("limit", [8, 10])
def test_long_texts_are_cut_and_counted(limit: int) -> None:
    rows = encode_texts(TEXTS, None, tiny.tokenizer(), limit)
    assert [row["length"] for row in rows] == [5, 3, limit]
    assert [row["truncated"] for row in rows] == [0, 0, 13 - limit]
    assert rows[2]["input_ids"][-1] == tiny.SEP
    assert rows[2]["input_ids"] == tiny.tokenizer()(TEXTS[2], truncation=True, max_length=limit)["input_ids"]


def test_what_the_model_takes_is_the_limit() -> None:
    rows = encode_texts(TEXTS, None, tiny.tokenizer(max_length=6), 256)
    assert [(row["length"], row["truncated"]) for row in rows] == [(5, 0), (3, 0), (6, 7)]


def test_a_pair_is_cut_at_its_longer_side() -> None:
    long, short = "good " * 20, "bad cat"
    (row,) = encode_texts([long], [short], tiny.tokenizer(), 10)
    assert (row["length"], row["truncated"]) == (10, 15)
    assert row["input_ids"][-3:] == tiny.tokenizer()(short)["input_ids"][1:]
    (other,) = encode_texts([short], [long], tiny.tokenizer(), 10)
    assert other["input_ids"][:4] == tiny.tokenizer()(short)["input_ids"]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
def test_padding_is_that_of_the_tokenizer(side: str, pairs: list[str] | None) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.padding_side = side
    inputs, tokens = pad_texts(encode_texts(TEXTS, pairs, tokenizer, 64), tokenizer)
    expected = tokenizer(TEXTS, pairs, padding=True, return_tensors="pt")
    assert tokens == int(expected["attention_mask"].sum())
    for name, tensor in inputs.items():
        assert tensor.dtype == torch.int64
        assert torch.equal(tensor, expected[name]), name
    assert inputs.keys() == expected.keys() - (set() if pairs else {"token_type_ids"})


def test_rows_of_one_length_need_no_mask() -> None:
    inputs, tokens = pad_texts(encode_texts(["good cat", "bad dog"], None, tiny.tokenizer(), 64), tiny.tokenizer())
    assert inputs.keys() == {"input_ids"}
    assert tokens == inputs["input_ids"].numel() == 8


@given(st.lists(st.text(st.sampled_from("ab dgo好?"), max_size=30), min_size=1, max_size=5), st.integers(8, 20))
def test_a_row_does_not_depend_on_its_neighbours(texts: list[str], limit: int) -> None:
    tokenizer = tiny.tokenizer()
    together = encode_texts(texts, None, tokenizer, limit)
    assert together == [row for text in texts for row in encode_texts([text], None, tokenizer, limit)]
    inputs, tokens = pad_texts(together, tokenizer)
    assert tokens == sum(row["length"] for row in together)
    for place, row in enumerate(together):
        assert inputs["input_ids"][place, : row["length"]].tolist() == row["input_ids"]
        assert (inputs["input_ids"][place, row["length"] :] == tiny.PAD).all()
