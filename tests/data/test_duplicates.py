"""Repeated texts: exact ones, near ones against the exact similarity, and the estimate of a signature."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.data.duplicates import ALIKE, BANDS, WIDTH, jaccard, repeated, shingles, signature

LONG = "the film was a wonderful surprise from its slow beginning to the very last scene of all"


def words(text: str) -> set[str]:
    """The shingles by hand."""
    return {text[i : i + 4] for i in range(len(text) - 3)}


def similarity(one: str, other: str) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def marked(texts: list[str], others: list[str], how: str) -> tuple[list[int], list[int]]:
    """The texts that repeat one of others, and those that only repeat an earlier one, by number."""
    of_others, of_earlier = repeated(texts, others, how)
    return np.flatnonzero(of_others).tolist(), np.flatnonzero(of_earlier).tolist()


def test_case_blanks_and_form_do_not_count() -> None:
    texts = ["A good  film", "a good film", "ａ good film", "a good film!", "a bad film"]
    assert marked(texts, [], "exact") == ([], [1, 2])
    assert marked(texts, ["A BAD FILM"], "exact") == ([4], [1, 2])
    assert marked(texts, ["a GOOD film"], "exact") == ([0, 1, 2], [])


@pytest.mark.parametrize(
    "other", [LONG + "!", LONG.replace("slow", "low"), LONG.replace("wonderful", "dreadful"), LONG[20:], "something else"]
)
def test_similarity_is_that_of_the_sets(other: str) -> None:
    exact = similarity(LONG, other)
    assert jaccard(shingles(LONG), shingles(other)) == pytest.approx(exact)
    estimate = np.mean(signature(shingles(LONG)) == signature(shingles(other)))
    assert estimate == pytest.approx(exact, abs=3.5 * np.sqrt(exact * (1 - exact) / (BANDS * WIDTH)) + 1e-9)
    assert marked([other], [LONG], "near") == ([0] if exact >= ALIKE else [], [])
    assert marked([LONG, other], [], "near") == ([], [1] if exact >= ALIKE else [])


def test_what_is_found_is_what_comparing_all_pairs_finds() -> None:
    draw = np.random.default_rng(0)
    letters = list("abcdefgh ")
    texts = ["".join(draw.choice(letters, 60)) for _ in range(20)]
    for text in texts[:15]:
        changed = list(text)
        for place in draw.integers(60, size=int(draw.integers(1, 6))).tolist():
            changed[place] = "z"
        texts.append("".join(changed))
    texts = [" ".join(text.split()) for text in texts]
    kept: list[str] = []
    expected = []
    for text in texts:
        expected.append(any(similarity(text, other) >= ALIKE for other in kept))
        if not expected[-1]:
            kept.append(text)
    assert 3 <= sum(expected) <= 12
    assert marked(texts, [], "near") == ([], np.flatnonzero(expected).tolist())


def test_what_repeats_one_of_the_others_is_told_apart_in_one_pass() -> None:
    texts = [LONG + "!", LONG + "?", "something else", "something else."]
    assert marked(texts, [LONG, "no"], "near") == ([0, 1], [3])


def test_short_and_chinese_texts() -> None:
    assert marked(["ab", "ab", "abc", "", ""], [], "near") == ([], [1, 4])
    assert marked(["这部电影很好看，我非常喜欢它。" * 2, "这部电影很好看，我非常喜欢它！" * 2], [], "near") == ([], [])
    assert marked(["这部电影很好看，我非常喜欢它", "这部电影很好看，我非常喜欢它们"], [], "near") == ([], [1])
