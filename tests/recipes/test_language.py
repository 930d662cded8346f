"""Which language texts are in, by their letters, and about how many tokens they come to."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.recipes.language import as_languages, languages_of, tokens_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("这家酒店很好，我喜欢 iPhone", "zh"),
        ("このホテルはとても良いです", "ja"),
        ("이 호텔은 아주 좋습니다", "ko"),
        ("Это очень хороший отель", "ru"),
        ("A very good hotel near the sea, that I will visit again", "en"),
        ("Das Hotel ist schön, aber für uns zu groß", "other"),
        ("4.5 / 5", "en"),
    ],
)
def test_letters_tell_the_language(text: str, language: str) -> None:
    assert languages_of([text]) == [language]


def test_all_texts_count() -> None:
    assert languages_of(["a good film"] * 9 + ["好"]) == ["en"]
    assert languages_of(["a good and long film"] * 20 + ["in a café"]) == ["en"]
    assert languages_of(["a good film"] + ["这部电影很好看我喜欢"] * 9) == ["zh"]


def test_several_languages_are_told_the_commonest_first() -> None:
    assert languages_of(["a good film"] * 3 + ["这部电影很好看"] * 2) == ["en", "zh"]
    assert languages_of(["ein schöner Film", "ein guter Film", "这部电影很好看"]) == ["other", "zh"]
    assert languages_of(["このホテルはとても良いです"] * 3 + ["東京旅行"]) == ["ja"]
    assert languages_of([]) == ["en"]


def test_codes() -> None:
    assert as_languages("zh, en") == ["zh", "en"]
    with pytest.raises(InputError, match="'chinese' is no code of a language"):
        as_languages("chinese")


def test_tokens() -> None:
    assert tokens_of("") == 2
    assert tokens_of("a good film.") == pytest.approx(2 + 4 * 1.3)
    assert tokens_of("这部电影") == 2 + 4
    assert tokens_of("iPhone很好") == pytest.approx(2 + 2 + 1.3)
