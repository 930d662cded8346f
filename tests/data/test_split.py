"""Held-out rows: no duplicate on both sides, stratified, pure, stable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.source import read
from tunesmith.data.split import hold_out, keys_of, labels_of, normalised, strata_of

fractions = st.floats(0.05, 0.95)
spelled = st.sampled_from(["a", "A ", " a", "ａ", "b", "b  c", "B\tC", "ß", "SS", "d", "e", "f", "g"])


@given(st.lists(st.tuples(spelled, st.sampled_from("xyz")), max_size=60), fractions, st.integers())
def test_duplicates_are_never_separated(rows: list[tuple[str, str]], fraction: float, seed: int) -> None:
    held = hold_out([text for text, _ in rows], [label for _, label in rows], fraction, seed)
    inside = {normalised(text) for (text, _), taken in zip(rows, held, strict=True) if taken}
    outside = {normalised(text) for (text, _), taken in zip(rows, held, strict=True) if not taken}
    assert not inside & outside
    labels_outside = {label for (_, label), taken in zip(rows, held, strict=True) if not taken}
    assert {label for _, label in rows} == labels_outside


@given(st.lists(st.sampled_from("xyz"), min_size=2, max_size=200), fractions, st.integers())
def test_every_stratum_gives_its_share(strata: list[str], fraction: float, seed: int) -> None:
    held = hold_out([f"text {i}" for i in range(len(strata))], strata, fraction, seed)
    taken = Counter(stratum for stratum, inside in zip(strata, held, strict=True) if inside)
    for stratum, count in Counter(strata).items():
        assert abs(taken[stratum] - fraction * count) <= 1
        assert taken[stratum] < count


@given(st.permutations(range(40)), fractions)
def test_the_order_of_rows_does_not_matter(order: list[int], fraction: float) -> None:
    keys = [f"text {i}" for i in range(40)]
    strata = [str(i % 3) for i in range(40)]
    held = hold_out(keys, strata, fraction, 0)
    mixed = hold_out([keys[i] for i in order], [strata[i] for i in order], fraction, 0)
    assert mixed.tolist() == [held[i] for i in order]


def test_the_share_is_exact_where_rows_differ() -> None:
    held = hold_out([f"text {i}" for i in range(1000)], [str(i % 7) for i in range(1000)], 0.1, 0)
    assert held.sum() == 100


def test_the_seed_chooses() -> None:
    keys = [f"text {i}" for i in range(100)]
    choices = {tuple(np.flatnonzero(hold_out(keys, None, 0.1, seed)).tolist()) for seed in range(5)}
    assert len(choices) == 5


def test_added_rows_move_few() -> None:
    keys = [f"text {i}" for i in range(2100)]
    before = set(np.flatnonzero(hold_out(keys[:2000], None, 0.1, 0)).tolist())
    after = set(np.flatnonzero(hold_out(keys, None, 0.1, 0)).tolist())
    assert len(before - after) < 20


@given(st.lists(st.tuples(spelled, st.sets(st.sampled_from("vwxyz"), max_size=3)), min_size=1, max_size=40), fractions, st.integers())
def test_what_is_held_out_has_no_label_of_its_own(rows: list[tuple[str, set[str]]], fraction: float, seed: int) -> None:
    texts, labels = zip(*rows, strict=True)
    held = hold_out(texts, None, fraction, seed, labels)
    left = {label for out, of_row in zip(held, labels, strict=True) if not out for label in of_row}
    assert all(of_row <= left for out, of_row in zip(held, labels, strict=True) if out)
    for one in range(len(rows)):
        assert all(held[one] == held[other] for other in range(one) if normalised(texts[one]) == normalised(texts[other]))
    assert not (held & ~hold_out(texts, None, fraction, seed)).any(), "others are not held out in their place"


def test_one_row_is_never_held_out() -> None:
    assert not hold_out(["a"], None, 0.5, 0).any()
    assert not hold_out([], None, 0.5, 0).any()


@pytest.mark.parametrize(
    ("values", "strata"),
    [
        (["a", "b", "a", "b"], ["a", "b", "a", "b"]),
        ([1, 1.0, 0, 0], ["1", "1", "0", "0"]),
        ([["a", "b"], ["a"], ["a"], ["b"]], ["b", "a", "a", "b"]),
        ([["a"], [], ["a"]], ["a", "", "a"]),
        (["one text", "another", "a third"], None),
        ([0.5, 0.5, 1.0, 1.0], None),
        (["0.5", "0.5", "1", "1"], None),
    ],
)
def test_strata_are_labels_or_the_rarest_of_them(values: list[object], strata: list[str] | None) -> None:
    labels = labels_of(values)
    assert (labels and strata_of(labels)) == strata


def test_labels_of_rows() -> None:
    assert labels_of([["a", "b"], ["a"], ["b"]]) == [["a", "b"], ["a"], ["b"]]


def test_keys_hold_all_inputs() -> None:
    rows, _ = read([{"text": "a", "pair": "b"}, {"text": "a", "pair": ["b"]}, {"text": "a", "pair": None}])
    assert len(set(keys_of(rows, ["text", "pair"]))) == 3
    assert len(set(keys_of(rows, ["text"]))) == 1


def test_of_files_the_content_counts(tmp_path: Path) -> None:
    for name, content in {"a.png": b"one", "b.png": b"one", "c.png": b"two"}.items():
        (tmp_path / name).write_bytes(content)
    rows, _ = read([{"image": str(tmp_path / f"{name}.png")} for name in (*"abcd", "d" * 5000)])  # of d there is no file
    first, second, other, *missing = keys_of(rows, ["image"], {"image"})
    assert first == second
    assert len({first, other, *missing}) == 4
    assert len(set(keys_of(rows, ["image"]))) == 5
