"""Words and sentences in any script, and BM25 by hand."""

from __future__ import annotations

from math import log

import pytest

from tunesmith.data.words import bm25, likeliest_sentence, mostly_chinese, sentences, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The cat's 3 Dogs!", ["the", "cat", "s", "3", "dogs"]),
        ("我喜欢 iPhone 4S。", ["我", "喜", "欢", "iphone", "4s"]),
        ("ひらがなx", ["ひ", "ら", "が", "な", "x"]),
        ("snake_case Größe", ["snake_case", "grösse"]),
        (" …!", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_sentences_end_at_signs_and_at_lines() -> None:
    text = "It cost 3.5 euros. Was it much?  No!\nA line\n我来。你走！"
    assert [text[start:end] for start, end in sentences(text)] == [
        "It cost 3.5 euros.",
        "Was it much?",
        "No!",
        "A line",
        "我来。",
        "你走！",
    ]
    assert sentences("  \n ") == []


def test_the_likeliest_sentence_shares_most_words_and_is_the_shortest_of_equals() -> None:
    text = "The dog ran. A cat sat on the mat today. The cat sat."
    assert likeliest_sentence("Where did the cat sit?", text) == "The cat sat."
    assert likeliest_sentence("Who was on the mat: a cat?", text) == "A cat sat on the mat today."


def test_bm25_by_hand() -> None:
    """Two texts of 2 and 4 words: the mean length is 3, and ``cat`` stands in one of them."""
    [[first, second]] = bm25(["cat"], [["cat dog", "dog dog dog fox"]])
    rarity = log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    assert first == pytest.approx(rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 3)))
    assert second == 0.0


def test_other_texts_say_how_rare_a_word_is() -> None:
    candidates = [["cat", "dog"]]
    assert bm25(["cat dog"], candidates)[0][0] == bm25(["cat dog"], candidates)[0][1]
    rare, common = bm25(["cat dog"], candidates, ["dog food", "dog house"])[0]
    assert rare > common > 0


def test_texts_without_a_word_have_no_score() -> None:
    assert bm25(["?"], [["!", "."]]) == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("texts", "answer"), [(["北京", "上海 2"], True), (["a good film", "好"], False), ([], False), (["ひらがな"], False)]
)
def test_mostly_chinese(texts: list[str], answer: bool) -> None:
    assert mostly_chinese(texts) is answer
