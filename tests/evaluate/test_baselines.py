"""Baselines learn what is there to learn, give tables that add up, and survive classes that are not there."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.evaluate import baselines
from tunesmith.evaluate.baselines import Plain, linear_probe, majority, nearest_label, sample, spaced, tfidf

GOOD, BAD = "a good film number", "a bad film number"
TEXTS = [f"{text} {i}" for i in range(20) for text in (GOOD, BAD)]
SINGLE = Plain(TEXTS, np.array([1, 0] * 20), ["bad", "good"])
MULTI = Plain(TEXTS, np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]] * 20), ["good", "bad", "film"])
NUMBERS = Plain(TEXTS, np.array([3.0, -1.0] * 20), ["value"])
JUDGED = ["this is good", "this is bad"]


def vectors(texts: list[str]) -> np.ndarray:
    """(rows, 4): one direction says whether a text is good."""
    return np.random.default_rng(0).normal(size=(len(texts), 4)) + np.array([[10.0 * ("good" in text), 0, 0, 0] for text in texts])


def probe(train: Plain, rows: int = 2000) -> np.ndarray:
    return linear_probe(train, lambda chosen: vectors([train.texts[i] for i in chosen]), vectors(JUDGED), rows)


LEARNERS = [pytest.param(lambda train: tfidf(train, JUDGED), id="tfidf"), pytest.param(probe, id="linear_probe")]


def test_the_majority_is_what_training_rows_say_most() -> None:
    shares = majority(Plain(["", "", "", ""], np.array([2, 2, 0, 2]), ["a", "b", "c"]), 2)
    np.testing.assert_array_equal(shares, [[0.25, 0, 0.75]] * 2)
    sets = majority(Plain(["", "", ""], np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]), ["a", "b", "c"]), 2)
    np.testing.assert_array_equal(sets, [[1, 0, 1]] * 2)
    np.testing.assert_array_equal(majority(Plain(["", ""], np.array([1.0, 4.0], np.float32), ["value"]), 3), [[2.5]] * 3)


@pytest.mark.parametrize("learner", LEARNERS)
def test_classes_are_learned(learner: Any) -> None:
    table = learner(SINGLE)
    assert table.argmax(axis=1).tolist() == [1, 0]
    np.testing.assert_allclose(table.sum(axis=1), 1)


@pytest.mark.parametrize("learner", LEARNERS)
def test_labels_are_learned_each_by_itself(learner: Any) -> None:
    np.testing.assert_array_equal(learner(MULTI) > 0.5, [[True, False, True], [False, True, True]])


@pytest.mark.parametrize("learner", LEARNERS)
def test_numbers_are_learned(learner: Any) -> None:
    table = learner(NUMBERS)
    assert table.shape == (2, 1)
    assert table[0, 0] > 1.5
    assert table[1, 0] < 0.5


@pytest.mark.parametrize("learner", LEARNERS)
def test_more_classes_than_two_and_a_class_without_rows(learner: Any) -> None:
    train = Plain([*TEXTS, *["an odd film"] * 10], np.array([4, 0] * 20 + [2] * 10), list("abcde"))
    table = learner(train)
    assert table.argmax(axis=1).tolist() == [4, 0]
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert (table[:, [1, 3]] == 0).all()


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_class_alone_is_always_given(learner: Any) -> None:
    np.testing.assert_array_equal(learner(Plain(TEXTS, np.ones(40, int), ["a", "b"])), [[0, 1]] * 2)


def test_texts_without_words_fall_back_to_the_majority() -> None:
    blank = Plain([" ", "", "\n"], np.array([1, 1, 0]), ["a", "b"])
    np.testing.assert_allclose(tfidf(blank, ["", "word"]), [[1 / 3, 2 / 3]] * 2)
    assert tfidf(SINGLE, ["", "!"]).shape == (2, 2), "a blank text to judge is no reason to stop"


def test_chinese_is_read_by_character() -> None:
    train = Plain([f"这部电影很{word}看{i}" for i in range(10) for word in "好难"], np.array([1, 0] * 10), ["bad", "good"])
    assert tfidf(train, ["我说好", "我说难"]).argmax(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A quick brown fox.", True),
        ("Der Donaudampfschifffahrtskapitän sah den Fluss", True),
        ("这部电影很好看，不坏，我喜欢。 真的 不错的电影我们都喜欢看，推荐给大家", False),
        ("映画 が好き です", False),
        ("ฉันชอบ หนังเรื่องนี้ มาก", False),
        ("I saw 電影 in Paris", True),
        ("ACGTTGCATGCAAGCT", False),
        ("Müller", False),
    ],
)
def test_where_words_have_spaces(text: str, expected: bool) -> None:
    assert spaced([text] * 3) is expected


@given(st.lists(st.text(max_size=8), min_size=1, max_size=60), st.integers(1, 20), st.integers(0, 100))
def test_a_sample_keeps_its_budget_and_its_order(texts: list[str], rows: int, characters: int) -> None:
    chosen = sample(texts, rows, characters)
    assert 1 <= len(chosen) <= rows
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) == 1 or sum(len(texts[row]) for row in chosen) <= characters
    assert sample(texts, len(texts)).tolist() == list(range(len(texts)))


def test_a_sample_does_not_depend_on_where_rows_stand() -> None:
    texts = [f"text {i}" for i in range(100)]
    chosen = {texts[row] for row in sample(texts, 30)}
    assert {texts[::-1][row] for row in sample(texts[::-1], 30)} == chosen
    kept = {row for row in chosen if int(row.split()[1]) < 50}
    assert kept <= {texts[row] for row in sample(texts[:50], 30)}, "rows added later push out, they do not reshuffle"


def test_the_probe_asks_for_no_more_features_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[np.ndarray] = []

    def features(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return vectors([TEXTS[row] for row in rows])

    linear_probe(SINGLE, features, vectors(JUDGED), rows=12)
    monkeypatch.setattr(baselines, "PROBE_FEWEST", 20)
    for characters in (sum(map(len, TEXTS)) * 3 // 4, 1):  # long texts cost more, and some of them are read however long
        monkeypatch.setattr(baselines, "PROBE_CHARACTERS", characters)
        linear_probe(SINGLE, features, vectors(JUDGED))
    assert [len(rows) for rows in asked] == [12, 30, 20]


def test_tfidf_reads_no_more_training_text_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"word": sum(map(len, TEXTS)) // 4, "char": 0}
    monkeypatch.setattr(baselines, "TFIDF_CHARACTERS", few)
    whole, chosen = tfidf(SINGLE, JUDGED), sample(TEXTS, 40, few["word"])
    monkeypatch.undo()
    np.testing.assert_array_equal(whole, tfidf(SINGLE.select(chosen), JUDGED))


def test_the_nearest_label_is_the_likeliest() -> None:
    table = nearest_label(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 5.0]]), temperature=0.5)
    np.testing.assert_allclose(table[0], np.exp([2, 0]) / np.exp([2, 0]).sum())
    np.testing.assert_allclose(table[1:], 0.5)
    np.testing.assert_allclose(nearest_label(np.eye(2), np.eye(2), temperature=1e-6), np.eye(2))


def test_importing_baselines_does_not_import_scikit_learn() -> None:
    code = "import sys, tunesmith.evaluate.baselines; print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
