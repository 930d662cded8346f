"""Rows are packed as they come, and those that cannot be kept are named."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.collect import CHUNK, Collector, collecting
from tunesmith.data.source import read


def test_rows_that_cannot_be_kept_are_named_and_the_others_kept() -> None:
    collector = Collector("f")
    for line, value in enumerate(["a", "\ud800", 1.5, object(), [1]], 1):
        collector.add({"id": line, "text": value}, line)
    collector.add({}, 6)
    rows = collector.rows()
    assert list(rows) == [{"id": 1, "text": "a"}, {"id": 3, "text": 1.5}, {"id": 5, "text": [1]}]
    assert [rows.place(i) for i in range(3)] == [("f", 1), ("f", 3), ("f", 5)]
    assert [(problem.line, problem.column) for problem in collector.problems] == [(6, ""), (2, "text"), (4, "text")]


def test_columns_may_come_and_go_between_chunks() -> None:
    collector = Collector("f")
    for line in range(CHUNK):
        collector.add({"first": line}, line + 1)
    collector.add({"second": "x"}, CHUNK + 1)
    rows = collector.rows()
    assert rows.columns == ["first", "second"]
    assert rows[CHUNK - 1] == {"first": CHUNK - 1, "second": None}
    assert rows[CHUNK] == {"first": None, "second": "x"}


def test_problems_are_collected_and_bugs_are_not() -> None:
    problems: list[Problem] = []
    with collecting(problems):
        raise InputError("one", "two")
    with pytest.raises(ZeroDivisionError), collecting(problems):
        raise ZeroDivisionError
    assert [problem.message for problem in problems] == ["one", "two"]


def test_reading_takes_little_memory(write) -> None:
    before = pa.total_allocated_bytes()
    rows, _ = read(write("many.jsonl", '{"text": "a short text of some words", "label": "good"}\n' * 50_000))
    assert pa.total_allocated_bytes() - before < 60 * len(rows)
