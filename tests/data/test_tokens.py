"""Texts and the tokens in them: joined, parted, and guessed from training rows."""

from __future__ import annotations

import pytest

from tunesmith.core.task import RowError
from tunesmith.data.tokens import joined, parted, parting_of, tokens_of


@pytest.mark.parametrize(
    ("parting", "words"),
    [
        ("blanks", ["I", "paid", "5kg,", "3.5€", "in", "北京。"]),
        ("words", ["I", "paid", "5", "kg", ",", "3", ".", "5", "€", "in", "北", "京", "。"]),
        ("characters", [*"Ipaid5kg,3.5€in北京。"]),
    ],
)
def test_a_text_is_parted(parting: str, words: list[str]) -> None:
    assert parted("I paid 5kg, 3.5€ in 北京。", parting).words() == words


def test_a_word_keeps_its_marks() -> None:
    assert parted("नमस्ते naïve", "words").words() == ["नमस्ते", "naïve"]


def test_tokens_are_joined_by_blanks_but_not_beside_chinese() -> None:
    tokens = joined(["I", "love", "北", "京", "NBA", "!"])
    assert tokens.text == "I love北京NBA !"
    assert tokens.words() == ["I", "love", "北", "京", "NBA", "!"]
    assert tokens_of('["a", "b c"]', "words").words() == ["a", "b c"]
    assert tokens_of("[a] b", "blanks").words() == ["[a]", "b"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "there are no tokens"),
        (["a", " "], "token 2 of 2 is blank"),
        (["a", 1], "the token 1 is no text"),
        ("  ", "the text is empty"),
        (3, "3 is no text"),
    ],
)
def test_what_is_no_tokens(value: object, message: str) -> None:
    with pytest.raises(RowError) as error:
        tokens_of(value, "words")
    assert error.value.message == message
    assert error.value.remedy
    assert error.value.column == "text"


def test_the_parting_is_that_of_the_training_rows() -> None:
    assert parting_of(["a b c.", "d"], [3, 1]) == "blanks"
    assert parting_of(["我爱北京"], [4]) == "characters"
    assert parting_of([["我", "爱", "北", "京"]], [4]) == "characters"
    assert parting_of([["12", "Main", "St,", "Reno"]], [4]) == "blanks"
    assert parting_of([["It", "rains", "."]], [3]) == "words"
