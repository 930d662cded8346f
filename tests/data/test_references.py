"""What counts as right, and what kind of work it is."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.references import check_variety, first_of, kind_of, matching, references, simplest


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("one", ["one"]),
        (" one ", ["one"]),
        (42, ["42"]),
        (["one", "", None, "two"], ["one", "two"]),
        ({"text": ["one"], "answer_start": [3]}, ["one"]),
    ],
)
def test_texts_that_count(value: Any, found: list[str]) -> None:
    assert references(value, "target") == found
    assert first_of(value) == found[0]


@pytest.mark.parametrize("value", ["", "  ", None, [], float("nan"), [None], {"text": []}])
def test_nothing_to_write_is_refused(value: Any) -> None:
    with pytest.raises(RowError, match="there is nothing to write"):
        references(value, "target")
    assert first_of(value) == ""


@pytest.mark.parametrize("value", [True, [["one"]], {"other": 1}])
def test_other_things_are_no_texts(value: Any) -> None:
    with pytest.raises(RowError):
        references(value, "target")


def test_a_column_of_names_is_no_source() -> None:
    check_variety([f"text {i}" for i in range(100)])
    check_variety(["same"] * 40)
    with pytest.raises(InputError, match=r"The sources of 100 rows are 1 texts: 'apt'. Say which column"):
        check_variety(["apt"] * 100)


LONG = "The library reads images of many formats and writes them again, with all colours that a screen can show, and more besides."


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        (LONG * 3, "library for images of many formats", "summary"),
        ("The cat sat on the mat today", "Le chat est assis sur le tapis", "translation"),
        ("這部電影很好看", "This film is very good to watch", "translation"),
        ("Who wrote the book?", "Leo Tolstoy", "answer"),
        ("capital of the largest country in the south of europe by population", "Rome", "answer"),
        ("", "", "summary"),
    ],
)
def test_the_kind_of_work(source: str, target: str, kind: str) -> None:
    found, why = kind_of([source] * 3, [target] * 3)
    assert found == kind
    assert why


def test_of_several_right_texts_the_one_that_was_written_is_shown() -> None:
    assert matching("two", ["one", "two"]) == "two"
    assert matching("three", ["one", "two"]) == "one"


def test_what_can_be_written_without_a_model() -> None:
    sources = ["One. Two.", "Three"]
    assert simplest("summary", sources, ["x"]) == ("first_sentence", ["One.", "Three"])
    assert simplest("translation", sources, ["x"]) == ("copy_of_the_source", sources)
    assert simplest("answer", sources, ["no", "yes", "yes"]) == ("most_frequent_answer", ["yes", "yes"])
