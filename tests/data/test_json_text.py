"""JSON Lines and JSON, in every shape that people write."""

from __future__ import annotations

import json
from io import BufferedReader, BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import InputError
from tunesmith.data.collect import Collector
from tunesmith.data.json_text import read_json, read_json_lines

text = st.text(st.characters(codec="utf-8"))
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
row = st.dictionaries(
    st.sampled_from(["text", "label", "ö"]), scalar | st.lists(scalar, max_size=3) | st.dictionaries(text, scalar, max_size=2), min_size=1
)


def parsed(content: str | bytes, read=read_json_lines) -> tuple[list[dict[str, Any]], list[str], list[int]]:
    collector = Collector("f")
    read(BufferedReader(BytesIO(content if isinstance(content, bytes) else content.encode())), collector)
    rows = collector.rows()
    return list(rows), [str(p) for p in collector.problems], [rows.place(i)[1] for i in range(len(rows))]


def without_absent(rows: list[dict[str, Any]]) -> str:
    return json.dumps([{name: value for name, value in sorted(row.items()) if value is not None} for row in rows])


@given(st.lists(row), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_json_lines_come_back(rows: list[dict[str, Any]], plain: bool, end: str) -> None:
    found, problems, _ = parsed("".join(json.dumps(row, ensure_ascii=plain) + end for row in rows))
    assert without_absent(found) == without_absent(rows)
    assert not problems


@given(st.lists(row), st.sampled_from([None, 1]), st.booleans())
def test_a_list_of_objects_comes_back(rows: list[dict[str, Any]], indent: int | None, below: bool) -> None:
    whole = {"version": "1", "data": rows, "more": [1]} if below else rows
    found, problems, _ = parsed(json.dumps(whole, indent=indent), read_json)
    assert without_absent(found) == without_absent(rows)
    assert not problems


def test_rows_of_json_have_their_lines() -> None:
    assert parsed('[\n {"a": 1},\n\n {"a":\n 2}, {"a": 3}\n]', read_json)[2] == [2, 4, 5]
    assert parsed('{"data":\n[{"a": 1},\n{"a": 2}]}', read_json)[2] == [2, 3]
    assert parsed('\n{"a": 1}\n\n{"a": 2}')[2] == [2, 4]


def test_an_object_of_lists() -> None:
    assert parsed('{"text": ["a", "b"], "n": [1, 2]}', read_json)[0] == [{"text": "a", "n": 1}, {"text": "b", "n": 2}]


def test_json_lines_under_the_name_of_json() -> None:
    rows, problems, places = parsed('\ufeff{"a": 1}\n{"a": 2\n{"a": 3}\n', read_json)
    assert [row["a"] for row in rows] == [1, 3]
    assert places == [1, 3]
    assert problems == ["f:2 8: the JSON ends in the middle. Write the rest, or remove it."]


def test_all_bad_lines_are_named() -> None:
    content = '{"a": 1}\n{"a": "x\n[1]\n"x"\n{a: 1}\n{"a": "\\ud83d"}\n' + '{"a": ' + "[" * 100_000 + "\n{}\nnull\n"
    rows, problems, _ = parsed(content)
    assert rows == [{"a": 1}]
    assert sorted(problem.split(". ")[0] for problem in problems) == [
        "f:2 7: the JSON ends in the middle",
        "f:3: a list stands where an object should",
        "f:4: a text stands where an object should",
        "f:5 2: this is not JSON: expecting property name enclosed in double quotes",
        "f:6 a: a character is only half there (a lone surrogate)",
        "f:7: the JSON cannot be read: it is nested too deeply",
        "f:8: the row is empty",
        "f:9: null stands where an object should",
    ]


def test_keys_may_come_late_and_go() -> None:
    rows, _, _ = parsed('{"a": 1}\n' * 10_001 + '{"b": "x"}\n')
    assert rows[0] == {"a": 1, "b": None}
    assert rows[-1] == {"a": None, "b": "x"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1},\n {"a": ', "f:2 8: the JSON ends in the middle"),
        ('[{"a": 1}\n {"a": 2}]', r"f:2 2: this is not JSON: expecting ',' or '\]'"),
        ('[{"a": 1}]\n[{"a": 2}]', "f:2 1: this is not JSON: something follows the list"),
        ('{"a": 1}', "f: the file is JSON, but not of a known shape"),
        ('{"a": {"0": 1}}', "pandas"),
        ("12", "f: the file is JSON, but not of a known shape"),
        ('{"a": [1], "b": [1, 2]}', "f: the lists have different lengths: a 1, b 2"),
        (b'[{"a": 1},\n{"a": "\xff"}]', "f:2: byte 0xff is not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parsed(content, read_json)


def test_a_list_may_hold_bad_rows() -> None:
    rows, problems, _ = parsed('[{"a": 1}, 2]', read_json)
    assert rows == [{"a": 1}]
    assert len(problems) == 1
