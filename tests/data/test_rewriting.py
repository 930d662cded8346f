"""Every operation on words: what changes, how much, what must stay, and that it repeats."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import tiny
from tunesmith.data import rewriting
from tunesmith.data.rewriting import CHANGES, Rewriter, beside, negates, shortened, slip
from tunesmith.data.units import Units

TEXT = "a very good film is not a bad story of paris and music"


@pytest.fixture(autouse=True)
def _synonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "synonyms", lambda: {"film": ("movie",), "story": ("plot",), "very": ("well",)})


def rewriter(*operations: str, rate: float = 0.2, limit: int = 40) -> Rewriter:
    return Rewriter(Units(tiny.tokenizer()), operations, rate, limit)


def row(text: str = TEXT, pair: str | None = None) -> dict[str, Any]:
    found = dict(tiny.tokenizer()(text, pair))
    return {"input_ids": found["input_ids"], "token_type_ids": found["token_type_ids"], "label": 1, "row": 0}


def words(found: dict[str, Any]) -> list[str]:
    return str(tiny.tokenizer().decode(found["input_ids"], skip_special_tokens=True)).split()


def many(operation: str, given: dict[str, Any], times: int = 120, **settings: Any) -> list[dict[str, Any]]:
    rewrite = rewriter(operation, **settings)
    return [rewrite(given, np.random.default_rng(seed)) for seed in range(times)]


def test_delete_leaves_each_word_out_with_the_probability() -> None:
    found = many("delete", row())
    kept = Counter(len(words(one)) for one in found)
    assert sum(size * count for size, count in kept.items()) / (120 * 13) == pytest.approx(0.8, abs=0.03)
    assert all(one["length"] == len(one["input_ids"]) == len(one["token_type_ids"]) for one in found)
    assert all(iter_in_order(words(one)) for one in found)


def iter_in_order(found: list[str]) -> bool:
    given = iter(TEXT.split())
    return all(word in given for word in found)


def test_delete_leaves_a_word_of_each_text() -> None:
    for one in many("delete", row("good film", "bad day"), rate=0.9):
        typed = [kind for kind, token in zip(one["token_type_ids"], one["input_ids"], strict=True) if token > tiny.MASK]
        assert set(typed) == {0, 1}


@pytest.mark.parametrize(("word", "found"), [("not", True), ("不太", True), ("isn", True), ("knot", False), ("太", False)])
def test_negations_are_known_in_english_and_chinese(word: str, found: bool) -> None:
    assert negates(word) == found


@pytest.mark.parametrize("operation", ["delete", "swap"])
def test_a_negation_stays(operation: str) -> None:
    assert all("not" in words(one) for one in many(operation, row(), rate=0.9))
    if operation == "swap":
        assert all(words(one).index("not") == TEXT.split().index("not") for one in many(operation, row(), rate=0.9))


def test_swap_keeps_the_words_of_each_text() -> None:
    given = row("a good film", "is not bad")
    found = many("swap", given)
    assert all(sorted(one["input_ids"][:5]) == sorted(given["input_ids"][:5]) for one in found)
    assert all(sorted(one["input_ids"][5:]) == sorted(given["input_ids"][5:]) for one in found)
    assert all(one["token_type_ids"] == given["token_type_ids"] for one in found)
    assert all(one["input_ids"] != given["input_ids"] for one in found)  # one pair is swapped once


def test_synonyms_replace_as_many_words_as_alpha_says_and_no_stop_word() -> None:
    for one in many("synonym", row(), times=30, rate=0.2):  # 2 of 13 words, and three have synonyms
        changed = [(old, new) for old, new in zip(TEXT.split(), words(one), strict=True) if old != new]
        assert len(changed) == 2
        assert set(changed) <= {("film", "movie"), ("story", "plot"), ("very", "well")}


def test_insert_adds_synonyms_of_words_that_are_there() -> None:
    found = many("insert", row(), times=60, rate=0.2)
    added = Counter(word for one in found for word in (Counter(words(one)) - Counter(TEXT.split())).elements())
    assert set(added) == {"movie", "plot", "well"}
    assert all(len(Counter(TEXT.split()) - Counter(words(one))) == 0 for one in found)


def test_punctuation_is_put_between_words() -> None:
    given = row()
    marks = {token for mark in rewriting.MARKS for token in tiny.tokenizer()(mark, add_special_tokens=False)["input_ids"]}
    sizes = set()
    for one in many("punctuate", given):
        added = Counter(one["input_ids"]) - Counter(given["input_ids"])
        sizes.add(added.total())
        assert set(added) <= marks
    assert sizes == {1, 2, 3, 4}


def test_a_slip_changes_the_inside_of_a_word() -> None:
    draws = [slip("film", np.random.default_rng(seed)) for seed in range(300)]
    assert {"flm", "fiilm", "flim", "fulm", "folm"} <= set(draws)
    assert all(3 <= len(word) <= 5 and word[-1] in "ml" for word in draws)
    assert [slip(word, np.random.default_rng(0)) for word in ("of", "café", "很好看", "b2b")] == [""] * 4


def test_the_key_beside() -> None:
    assert {beside("S", np.random.default_rng(seed)) for seed in range(20)} == {"A", "D"}
    assert {beside("q", np.random.default_rng(seed)) for seed in range(5)} == {"w"}


def test_typos_are_tokens_of_the_misspelt_word() -> None:
    found = many("typo", row("good film"), times=20)
    assert all(tiny.UNK in one["input_ids"] for one in found)  # the tiny vocabulary has no misspelt word


@pytest.mark.parametrize("operation", ["delete", "swap", "punctuate"])
def test_chinese_is_changed_by_characters(operation: str) -> None:
    given = row("这部电影很好看")
    found = many(operation, given, times=50)
    assert sum(one["input_ids"] != given["input_ids"] for one in found) > 20


def test_what_grows_beyond_the_limit_loses_its_last_words() -> None:
    given = row("a good film", "bad day")
    units = Units(tiny.tokenizer()).cut(given)
    left = Units(tiny.tokenizer()).joined(given, shortened(units, 6))
    assert words(left) == ["a", "good", "film"]
    assert left["input_ids"][-2:] == [tiny.SEP, tiny.SEP]
    assert all(one["length"] <= 9 for one in many("punctuate", row("a good film", "bad day"), limit=9))


@pytest.mark.parametrize("operation", CHANGES)
def test_the_same_draw_gives_the_same_row_and_a_row_without_words_stays(operation: str) -> None:
    one, other = (rewriter(operation)(row(), np.random.default_rng(4)) for _ in range(2))
    assert one == other
    assert one["label"] == 1
    bare = row("! ?")
    assert rewriter(operation)(bare, np.random.default_rng(0)) is bare
