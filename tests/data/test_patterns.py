"""Patterns: what they must have, the words' tokens, and what encoders and decoders read."""

from __future__ import annotations

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.patterns import (
    check_continues,
    check_pattern,
    encode_cloze,
    encode_continued,
    pad_cloze,
    pad_continued,
    word_ids,
)

PATTERN = "{text} . it was {label} ."


def ids(text: str) -> list[int]:
    return [tiny.VOCABULARY.index(word) for word in text.split()]


@pytest.mark.parametrize(
    "pattern", ["{text} it was good", "{label}", "{text} {text} {label}", "{text} {label} {other}", "{text} {label} {"]
)
def test_a_pattern_that_cannot_be_filled_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        check_pattern(pattern, "task.pattern")
    check_pattern("it was {label}", "--pattern", text=False)
    with pytest.raises(InputError, match=r"must have \{label\}, once"):
        check_pattern(PATTERN, "--pattern", text=False)


def test_a_decoder_reads_the_text_first() -> None:
    check_continues(PATTERN, "task.pattern")
    with pytest.raises(InputError, match=r"Put \{text\} before \{label\}"):
        check_continues("{label} : {text}", "task.pattern")


def test_words_are_tokens_and_each_its_own() -> None:
    tokenizer = tiny.tokenizer()
    assert word_ids(["good", "very bad"], PATTERN, tokenizer) == [ids("good"), ids("very bad")]
    with pytest.raises(InputError, match="no tokens for the label 'quux'") as unknown:
        word_ids(["good", "quux", "xyzzy"], PATTERN, tokenizer)
    assert len(unknown.value.problems) == 2
    with pytest.raises(InputError, match="'good' and 'Good' are the same tokens"):
        word_ids(["good", "bad", "Good"], PATTERN, tokenizer)


def test_an_encoder_reads_a_text_once_for_each_number_of_masks() -> None:
    tokenizer = tiny.tokenizer()
    items = encode_cloze(["a film", "the [MASK] plot"], PATTERN, [1, 2], tokenizer, 64)
    first, second = ["[CLS] a film . it was [MASK] . [SEP]", "[CLS] a film . it was [MASK] [MASK] . [SEP]"]
    assert items[0]["input_ids"] == [*ids(first), *ids(second)]
    assert items[0]["sizes"] == [9, 10]
    inputs, targets, tokens = pad_cloze(items, tokenizer)
    assert (inputs["input_ids"].shape, tokens) == ((4, 10), 9 + 10 + 9 + 10)  # a mask in the text is none
    assert (targets["labels"] != -100).sum(dim=1).tolist() == [1, 2, 1, 2]
    assert torch.equal(targets["labels"] != -100, inputs["input_ids"] == tiny.MASK)


def test_a_long_text_loses_its_end_and_never_the_pattern() -> None:
    tokenizer = tiny.tokenizer()
    [item] = encode_cloze(["good " * 50], PATTERN, [1], tokenizer, 16)
    assert item["input_ids"] == ids("[CLS] " + "good " * 9 + ". it was [MASK] . [SEP]")
    assert item["truncated"] == 41
    [item] = encode_continued(["good " * 50], PATTERN, [ids("bad"), ids("very bad")], tokenizer, 16)
    assert (item["prompt"], item["truncated"]) == (14, 40)
    assert item["input_ids"][:14] == ids("[CLS] " + "good " * 10 + ". it was")


def test_a_decoder_reads_each_word_behind_the_text() -> None:
    tokenizer = tiny.tokenizer()
    items = encode_continued(["a film"], PATTERN, [ids("good"), ids("very bad")], tokenizer, 64)
    assert items[0]["input_ids"] == ids("[CLS] a film . it was good [CLS] a film . it was very bad")
    inputs, targets, tokens = pad_continued(items, tokenizer)
    begun = ids("[CLS] a film . it was")
    assert inputs["input_ids"].tolist() == [[*begun, tiny.PAD], [*begun, *ids("very")]]
    nothing = [-100] * 5
    assert targets["labels"].tolist() == [[*nothing, *ids("good"), -100], [*nothing, *ids("very bad")]]
    assert (targets["owners"].tolist(), tokens) == ([0, 1, 1], 6 + 7)
