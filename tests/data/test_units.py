"""Words as the tokens that stand for them, in tokenizers of every kind."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import tiny
from tunesmith.data.units import Units, longest


def word_piece() -> PreTrainedTokenizerFast:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "film", "##s", "##ing", "good", ",", "很", "好"]
    core = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **names)


def byte_level() -> PreTrainedTokenizerFast:
    letters = pre_tokenizers.ByteLevel.alphabet()
    words = ["<s>", "</s>", *sorted(letters), *[f"Ġ{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]]
    vocabulary = {word: i for i, word in enumerate(words)}
    core = Tokenizer(models.BPE(vocabulary, [("Ġ", letter) for letter in "abcdefghijklmnopqrstuvwxyz"]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


def cut(tokenizer: PreTrainedTokenizerFast, text: str) -> list[tuple[str, bool]]:
    units = Units(tokenizer)
    found = units.cut({"input_ids": tokenizer(text)["input_ids"]})
    return [(units.text(unit.ids), unit.fixed) for unit in found]


def test_pieces_of_a_word_stay_together_and_punctuation_is_fixed() -> None:
    assert cut(word_piece(), "films, good filming") == [("films", False), (",", True), ("good", False), ("filming", False)]


def test_each_chinese_character_is_a_word() -> None:
    assert cut(word_piece(), "很好films") == [("很", False), ("好", False), ("films", False)]


def test_a_first_word_that_is_written_without_its_blank_is_fixed() -> None:
    assert cut(byte_level(), "ab cd, ef") == [("ab", True), ("cd", False), (",", True), ("ef", False)]


def test_bytes_of_a_character_are_a_word() -> None:
    """A byte-level tokenizer may cut a character: its first byte begins a word."""
    assert cut(byte_level(), "ab 好看") == [("ab", True), ("", True), ("好", False), ("看", False)]


def test_texts_of_a_pair_keep_apart_and_a_row_is_put_together_again() -> None:
    tokenizer = tiny.tokenizer()
    row = {**tokenizer("a good film", "bad day"), "row": 3, "label": 1}
    units = Units(tokenizer)
    found = units.cut(row)
    assert [(unit.part, unit.type) for unit in found if not unit.fixed] == [(1, 0)] * 3 + [(2, 1)] * 2
    again = units.joined(row, found)
    assert again == {**row, "length": 8}
    shorter = units.joined(row, [unit for unit in found if unit.fixed])
    assert (shorter["input_ids"], shorter["token_type_ids"], shorter["length"]) == ([2, 3, 3], [0, 0, 1], 3)


@pytest.mark.parametrize(("make", "text", "other"), [(word_piece, "good films", "good filming"), (byte_level, "ab cd", "ab xy")])
def test_a_word_is_written_as_the_one_that_it_replaces(make: object, text: str, other: str) -> None:
    tokenizer = make()  # type: ignore[operator]
    units = Units(tokenizer)
    word = units.cut({"input_ids": tokenizer(text)["input_ids"]})[1]
    found = units.encoded(other.split()[1], word.ids)
    assert found == tuple(tokenizer(other)["input_ids"][-len(found or ()) :])


def test_what_does_not_encode_to_itself_is_left_alone() -> None:
    units = Units(word_piece())
    assert units.encoded("good", (5,)) is None


def test_the_longest_row_counts() -> None:
    assert longest([{"length": 3}, {"length": 7}]) == 7
    assert longest([]) == 0
