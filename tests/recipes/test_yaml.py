"""YAML in and out: plain values with places, nothing that runs or grows, and messages that say where."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import InputError
from tunesmith.recipes.document import Place
from tunesmith.recipes.yaml import LARGEST, parse, read_file, write

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    | st.sampled_from(["on", "no", "null", "1e3", "3ep", "10%", "*.csv", "a: b", "2024-01-01", "<<", "0x1F", "~", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L", "N"])), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    assert parse(write(value), "file")[0] == value


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InputError):
        parse(text, "file")


def test_values_and_their_places() -> None:
    value, places = parse("a: 5e-5\nb: {c: 10%, d: [on, 2024-01-01]}\n1: 1_000\n", "r.yaml")
    assert value == {"a": 5e-5, "b": {"c": "10%", "d": ["on", "2024-01-01"]}, "1": 1000}
    assert places["a",] == Place("r.yaml", 1, 1)
    assert places["b", "c"] == Place("r.yaml", 2, 5)
    assert places["b", "d", 1] == Place("r.yaml", 2, 21)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a:\n\t- b",
            "r.yaml:2 1: This is not YAML: found character '\\t' that cannot start any token. Indent with blanks, not with tabs.",
        ),
        ("a: *.csv", "r.yaml:1 4: This is not YAML: found undefined alias '.csv'. Put a text that begins with * in quotes."),
        ("a: b: c", "r.yaml:1 5: This is not YAML: mapping values are not allowed here. Put a text that contains ': ' in quotes"),
        ("a: @x", "r.yaml:1 4: This is not YAML: found character '@' that cannot start any token. Put the text in quotes."),
        ("a: [1", "r.yaml:1 6: This is not YAML: expected ',' or ']', but got '<stream end>'. Check the brackets"),
        ("a: 1\n---\nb: 2", "r.yaml:2 1: This is not YAML: but found another document. Keep one document"),
        ("a: \x00", "r.yaml: This is not YAML: it holds a character that no text may hold."),
        ("a: 1\nb: 2\na: 3", "r.yaml:3 1: 'a' is written twice. Keep one of the two."),
        ("a: 1\n<<: {b: 2}", "r.yaml:2 1: A key must be a word."),
        ("[a]: 1", "r.yaml:1 1: A key must be a word."),
        ("a: &x 1\nb: *x", "r.yaml:1 1: Recipes have no anchors and aliases."),
        ("a: !!python/object:os.system x", "r.yaml:1 1: This is no text, number, list or mapping that a recipe can hold."),
        ("a: !!int x", "r.yaml:1 1: This is no text, number, list or mapping that a recipe can hold."),
        ("a: !!map x", "r.yaml:1 1: This is no text, number, list or mapping that a recipe can hold."),
        ("[" * 500, "r.yaml: The lists and mappings are nested too deep."),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "r.yaml")
    assert str(caught.value).startswith(message)


def test_an_anchor_bomb_does_not_grow() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40))]
    with pytest.raises(InputError, match="no anchors") as caught:
        parse("\n".join(lines), "r.yaml")
    assert len(caught.value.problems) == 40


def test_all_faults_of_a_file_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse("a: 1\na: !x 2\nb: &x 3\nb: 3", "r.yaml")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary, large = tmp_path / "binary.yaml", tmp_path / "rows.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_text("x" * (LARGEST + 1))
    for path, message in [
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "no UTF-8"),
        (large, "too large for a recipe"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            read_file(path)
        assert caught.value.problems[0].file == str(path)
        assert caught.value.problems[0].remedy
