"""Splits are a pure function of the rows: nothing leaks, nothing moves, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.samples.split import Row, plain, reserved, split, unique

TEXTS = st.lists(st.text("ab .,!", max_size=6), max_size=60)
FRACTIONS = st.sampled_from([0.0, 0.1, 0.25, 0.5])


def rows_of(texts: Iterable[str]) -> list[Row]:
    return [{"text": text, "group": plain(text)} for text in texts]


@given(TEXTS, FRACTIONS, FRACTIONS)
def test_texts_with_the_same_words_are_on_one_side_and_none_is_lost(texts: list[str], validation: float, test: float) -> None:
    splits = split("family", rows_of(texts), validation, test)
    sides = [{plain(row["text"]) for row in rows} for rows in splits.values()]
    assert len(set().union(*sides)) == sum(map(len, sides))
    assert sorted(row["text"] for rows in splits.values() for row in rows) == sorted(set(texts))


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(texts: list[str], random: object) -> None:
    mixed = list(texts)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert split("family", rows_of(mixed)) == split("family", rows_of(texts))


@given(TEXTS, TEXTS)
def test_a_row_stays_where_it_is_when_rows_are_added(texts: list[str], more: list[str]) -> None:
    before, after = split("family", rows_of(texts)), split("family", rows_of(texts + more))
    assert all(row in after[name] for name in before for row in before[name])


def test_fractions_are_about_kept() -> None:
    splits = split("family", rows_of(f"text {number}" for number in range(5000)), validation=0.1, test=0.25)
    assert abs(len(splits["test"]) - 1250) < 100
    assert abs(len(splits["validation"]) - 500) < 100


def test_a_split_without_rows_to_give_is_left_out() -> None:
    assert list(split("family", rows_of("abc"), validation=0)) == ["train", "test"]
    assert list(split("family", rows_of("abc"), validation=0, test=0)) == ["train"]


def test_one_family_agrees_and_two_do_not() -> None:
    texts = [f"text {number}" for number in range(400)]
    some, all_of_them = split("one", rows_of(texts[:200])), split("one", rows_of(texts))
    other = split("two", rows_of(texts))
    assert all(row in all_of_them["test"] for row in some["test"])
    assert other["test"] != all_of_them["test"]


def test_the_group_is_removed_and_the_limit_is_kept() -> None:
    splits = split("family", rows_of(f"text {number}" for number in range(50)), limit=20)
    rows = [row for part in splits.values() for row in part]
    assert len(rows) == 20
    assert all(row.keys() == {"text"} for row in rows)


def test_punctuation_and_case_do_not_make_another_text() -> None:
    assert plain("  It's  GREAT! ") == plain("it s great") == "it s great"
    assert plain("好，吃。") == "好 吃"
    assert plain(":-)") != plain(":-(")


def test_of_equal_texts_the_first_is_kept_and_disputed_ones_go() -> None:
    rows: list[Row] = [
        {"text": "Good.", "label": "positive"},
        {"text": "good", "label": "positive"},
        {"text": "So so", "label": "negative"},
        {"text": "so so!", "label": "positive"},
    ]
    assert unique(rows, "text") == rows[:1]


def test_three_tenths_are_reserved() -> None:
    assert 2700 < sum(reserved("source", str(number)) for number in range(10_000)) < 3300
