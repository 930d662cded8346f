"""Swapped words: both ways, whole words, in capitals as they were; and files of pairs with what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.counterfactual import counterparts, swapped

PAIRS = "# people\nhe, she\nhis / her\nhim\ther\n\nmother, father # parents\nNew York, Paris\n"


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "pairs.txt").write_text(PAIRS, encoding="utf-8")
    return counterparts(tmp_path / "pairs.txt")


def test_each_word_stands_for_the_other_and_the_first_pair_counts(words: dict[str, str]) -> None:
    assert (words["he"], words["she"], words["his"], words["her"], words["him"]) == ("she", "he", "her", "his", "her")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He saw HIS mother; she did not see him.", "She saw HER father; he did not see her."),
        ("the hero, there", "the hero, there"),
        ("I went to new york (he too)", "I went to paris (she too)"),
        ("", ""),
    ],
)
def test_whole_words_are_swapped_in_their_capitals(text: str, other: str, words: dict[str, str]) -> None:
    assert swapped(text, words) == other


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("他很好。", "她很好。"),
        ("我喜欢她iPhone", "我喜欢他iPhone"),
        ("父親と母親", "母親と父親"),
        ("Mary在吗？Maryam不在", "John在吗？Maryam不在"),
    ],
)
def test_words_are_found_where_no_blanks_part_them(text: str, other: str) -> None:
    pairs = (("他", "她"), ("父親", "母親"), ("mary", "john"))
    assert swapped(text, {**dict(pairs), **{second: first for first, second in pairs}}) == other


def test_what_is_wrong_with_a_file_is_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("he, she\nalone\na, b, c\nsame, same\n")
    with pytest.raises(InputError) as error:
        counterparts(file)
    assert [problem.line for problem in error.value.problems] == [2, 3, 4]
    file.write_text("# nothing\n")
    with pytest.raises(InputError, match="there is no pair of words"):
        counterparts(file)
    with pytest.raises(InputError, match="cannot be read"):
        counterparts(tmp_path / "none.txt")
