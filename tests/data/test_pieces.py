"""Tokens as pieces: each token has one first piece in one window, for every kind of tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.pieces import IGNORED, Pieces, encode_tagged, encode_tokens, pad_places
from tunesmith.data.text import pad_texts
from tunesmith.data.tokens import joined, parted

WORDS = [word for word in tiny.WORDS if word.isalpha()][:30]


def byte_level() -> PreTrainedTokenizerFast:
    """A tokenizer of GPT-2's kind, with a piece for each byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token=letters[0], model_max_length=64)


@pytest.mark.parametrize("length", [8, 9, 16, 64])
@pytest.mark.parametrize("stride", [0, 1, 3, None])
def test_each_token_is_of_one_window_and_in_its_middle(length: int, stride: int | None) -> None:
    for tokenizer in (tiny.tokenizer(), byte_level()):
        pieces = Pieces.of(tokenizer, length, stride)
        items = encode_tokens([joined(WORDS), joined(["a"])], tokenizer, pieces)
        assert all(item["length"] == len(item["input_ids"]) <= length for item in items)
        owned = [token for item in items if item["example"] == 0 for token in item["firsts"] if token >= 0]
        assert sorted(owned) == list(range(len(WORDS)))
        for item in items[:-1]:
            for place, token in enumerate(item["firsts"]):
                piece = tokenizer.convert_ids_to_tokens(item["input_ids"][place]) if token >= 0 else ""
                assert not token >= 0 or piece.removeprefix("Ġ")[:1] in (WORDS[token][0], "")


def test_byte_level_tokenizers_get_the_blank_before_a_word() -> None:
    tokenizer = byte_level()
    pieces = Pieces.of(tokenizer, 64, None)
    assert pieces.blank
    assert not Pieces.of(tiny.tokenizer(), 64, None).blank
    text = "so it is, 北京"
    item = encode_tokens([parted(text, "words")], tokenizer, pieces)[0]
    assert item["input_ids"] == tokenizer(text)["input_ids"]


def test_a_token_without_a_piece_is_unknown() -> None:
    item = encode_tokens([joined(["a", "\u200b", "film"])], tiny.tokenizer(), Pieces.of(tiny.tokenizer(), 16, None))[0]
    assert [token for token in item["firsts"] if token >= 0] == [0, 1, 2]
    assert item["input_ids"][2] == tiny.UNK


def test_labels_stand_at_first_pieces_or_at_all() -> None:
    tokens = joined(["ab", "c"])
    row: dict[str, Any] = {"text": tokens.text, "starts": tokens.starts, "ends": tokens.ends, "tags": [1, 0]}
    first, every = (encode_tagged([row], byte_level(), Pieces(16, 0, True), inside)[0] for inside in ([IGNORED] * 3, [0, 2, 2]))
    assert first["labels"] == [1, IGNORED, 0, IGNORED]  # a, b, blank, c
    assert every["labels"] == [1, 2, 0, 0]
    assert bytes(first["text"]).decode() == "ab c"


@pytest.mark.parametrize("side", ["left", "right"])
def test_places_are_padded_as_the_texts_are(side: str) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.padding_side = side
    items = encode_tokens([joined(["a", "film"]), joined(["a"])], tokenizer, Pieces.of(tokenizer, 16, None))
    inputs, _ = pad_texts(items, tokenizer)
    firsts = pad_places(items, "firsts", IGNORED, inputs["input_ids"], tokenizer)
    assert firsts.tolist()[1] == ([IGNORED, -1, 0, -1] if side == "left" else [-1, 0, -1, IGNORED])
    assert inputs["input_ids"][1][firsts[1] == 0].tolist() == [tiny.VOCABULARY.index("a")]


def test_what_a_model_does_not_take() -> None:
    with pytest.raises(InputError, match="cannot share 20"):
        Pieces.of(tiny.tokenizer(), 32, 20)
    slow = type("Slow", (), {"is_fast": False})()
    with pytest.raises(InputError, match="which of its pieces"):
        Pieces.of(slow, 32, None)
