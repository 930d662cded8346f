"""Rows know their values and their places."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.data.rows import BLOCK, Places, Rows
from tunesmith.data.values import Values


def table(file: str, **columns: list[object]) -> Rows:
    size = len(next(iter(columns.values())))
    return Rows({name: Values.of(values) for name, values in columns.items()}, Places.of(file, np.arange(1, size + 1)))


def test_rows_one_by_one_and_in_order_are_the_same() -> None:
    rows = table("a", text=[f"text {i}" for i in range(BLOCK + 5)], tags=[[i] for i in range(BLOCK + 5)])
    assert list(rows) == [rows[i] for i in range(len(rows))]
    assert list(rows.each("text")) == rows.column("text")
    assert rows[-1] == {"text": f"text {BLOCK + 4}", "tags": [BLOCK + 4]}
    with pytest.raises(IndexError):
        rows[len(rows)]


def test_chosen_rows_keep_their_places() -> None:
    rows = Rows.join([table("a", n=[1, 2, 3]), table("b", n=[4, 5])])
    assert [rows.place(i) for i in range(5)] == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)]
    chosen = rows.select(np.array([4, 0]))
    assert chosen.column("n") == [5, 1]
    assert [chosen.place(0), chosen.place(1)] == [("b", 2), ("a", 1)]
    again = Rows.join([chosen, table("c", n=[6])])
    assert [again.place(i) for i in range(3)] == [("b", 2), ("a", 1), ("c", 1)]
    assert rows[3:].column("n") == [4, 5]


def test_joined_rows_may_differ_in_type_and_order_of_columns() -> None:
    rows = Rows.join([table("a", n=[1], m=["x"]), table("b", m=["y"], n=["two"])])
    assert list(rows) == [{"n": 1, "m": "x"}, {"n": "two", "m": "y"}]


def test_renaming_keeps_only_what_is_named() -> None:
    rows = table("a", review=["good"], stars=[5], id=["x"]).renamed({"text": "review", "label": "stars"})
    assert rows.columns == ["text", "label"]
    assert list(rows.replaced("label", ["five"])) == [{"text": "good", "label": "five"}]
