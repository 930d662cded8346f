"""Choices and right answers in every form that data sets have them, and what a newcomer gets wrong, in a line each."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.choices import choices_of, learn_answers, letter, position
from tunesmith.data.columns import find
from tunesmith.tasks.multiple_choice import MultipleChoice

TEXTS = ["red", "green", "blue"]


# Choices


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ({"choices": TEXTS}, []),
        ({"choices": [" red", "green ", "blue"]}, []),
        ({"choices": {"text": TEXTS, "label": ["A", "B", "C"]}}, ["A", "B", "C"]),
        ({"choice_1": "red", "choice_2": "green", "choice_3": "blue", "choice_4": None, "choice_5": ""}, []),
        ({"choice_0": "red", "choice_1": "green", "choice_2": "blue"}, []),
    ],
)
def test_choices_in_every_form(row: dict[str, Any], labels: list[str]) -> None:
    assert choices_of(row) == (TEXTS, labels)


@pytest.mark.parametrize(
    ("headers", "roles"),
    [
        (["question", "A", "B", "C", "D", "answer"], [1, 2, 3, 4]),  # MMLU as csv
        (["question", "opa", "opb", "opc", "opd", "cop"], [1, 2, 3, 4]),  # MedMCQA
        (["goal", "sol1", "sol2", "label"], [1, 2]),  # PIQA
        (["startphrase", "ending0", "ending1", "ending2", "ending3", "label"], [0, 1, 2, 3]),  # SWAG
        (["premise", "choice1", "choice2", "question", "label"], [1, 2]),  # COPA
        (["sentence", "option1", "option2", "answer"], [1, 2]),  # WinoGrande
    ],
)
def test_columns_of_known_data_sets_are_found(headers: list[str], roles: list[int]) -> None:
    found = find(MultipleChoice().columns(), headers)
    assert [role for role in found if role.startswith("choice_")] == [f"choice_{number}" for number in roles]
    assert {"question", "answer"} <= found.keys()


@pytest.mark.parametrize(
    ("row", "message", "role"),
    [
        ({"choices": ["red"]}, "a question needs two choices at least, and has 1", "choices"),
        ({"choices": "red"}, "a question needs two choices at least, and has 1", "choices"),
        ({}, "a question needs two choices at least, and has 0", "choices"),
        ({"choice_1": "red", "choice_2": " "}, "a question needs two choices at least, and has 1", "choices"),
        ({"choices": ["red", " ", "blue"]}, "choice 2 of 3 is empty", "choices"),
        ({"choice_1": "red", "choice_2": None, "choice_3": "blue"}, "choice 2 of 3 is empty", "choice_2"),
        ({"choices": ["red", ["green"]]}, r"choice 2 is \['green'\], and no text", "choices"),
        ({"choices": {"text": TEXTS, "label": ["A"]}}, "3 choices have 1 labels", "choices"),
    ],
)
def test_mistakes_in_choices(row: dict[str, Any], message: str, role: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        choices_of(row)
    assert caught.value.column == role
    assert caught.value.remedy


# Answers


@pytest.mark.parametrize(
    ("answer", "kind", "first"),
    [
        ("green", "text", 0),
        (" Green ", "text", 0),
        ("B", "letter", 0),
        ("b.", "letter", 0),
        ("(B)", "letter", 0),
        ("Option B", "letter", 0),
        ("Ｂ", "letter", 0),
        (1, "number", 0),
        (2, "number", 1),
        ("2", "number", 1),
        (2.0, "number", 1),
        ("option_2", "number", 1),
        ("ending1", "number", 0),
    ],
)
def test_the_right_choice_in_every_form(answer: Any, kind: str, first: int) -> None:
    assert position(answer, TEXTS, [], kind, first) == 1


def test_labels_of_choices_come_first() -> None:
    assert position("2", TEXTS, ["1", "2", "3"], "text", 0) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "first", "remedy"),
    [
        ("D", "letter", 0, "The choices are A to C"),
        ("green", "letter", 0, "The choices are A to C"),
        (3, "number", 0, "The choices are 0 to 2"),
        (0, "number", 1, "The choices are 1 to 3"),
        (-1, "number", 0, "The choices are 0 to 2"),
        (True, "number", 0, "The choices are 0 to 2"),
        ("gren", "text", 0, "Did you mean 'green'?"),
        ("yellowish", "text", 0, "The choices are red, green, blue"),
    ],
)
def test_an_answer_that_is_no_choice(answer: Any, kind: str, first: int, remedy: str) -> None:
    with pytest.raises(RowError, match="is no choice") as caught:
        position(answer, TEXTS, [], kind, first)
    assert caught.value.remedy == remedy
    assert caught.value.column == "answer"


@pytest.mark.parametrize("answer", [None, "", "  ", float("nan")])
def test_an_empty_answer(answer: Any) -> None:
    with pytest.raises(RowError, match="the answer is empty"):
        position(answer, TEXTS, [], "text", 0)


# What is learned from all of them


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (["red", "Blue", "green"], ("text", None)),
        (["A", "b", "C"], ("letter", None)),
        ([0, 1, 2], ("number", 0)),
        ([1, 2, 3], ("number", 1)),
        (["1", "3", "oops"], ("number", 1)),
        ([3, 0, 9], ("number", 0)),
    ],
)
def test_how_answers_are_given_is_found(answers: list[Any], found: tuple[str, int | None]) -> None:
    kind, first, sizes, _ = learn_answers([{"choices": TEXTS, "answer": answer} for answer in answers], "auto", None)
    assert ((kind, first), sizes) == (found, [3])


def test_numbers_that_may_be_counted_from_either_are_asked_about() -> None:
    rows = [{"choices": TEXTS, "answer": answer} for answer in (1, 2, 1)]
    with pytest.raises(InputError, match=r"the answers are 1, 2: it cannot be told whether the first choice is 0 or 1\..*task\.first: 0"):
        learn_answers(rows, "auto", None)
    assert learn_answers(rows, "auto", 1)[1] == 1


def test_first_is_for_numbers_alone() -> None:
    with pytest.raises(InputError, match=r"task.first is not read: answers are given by letter"):
        learn_answers([{"choices": TEXTS, "answer": "A"}], "auto", 1)


def test_rows_may_have_different_numbers_of_choices() -> None:
    rows = [{"choices": TEXTS, "answer": "red"}, {"choices": TEXTS[:2], "answer": "red"}, {"choices": ["red"], "answer": "red"}]
    assert learn_answers(rows, "auto", None)[2:] == ([2, 3], ["task: one of 2 or 3 choices, given by text"])


def test_rows_that_have_a_choice_twice_are_counted() -> None:
    rows = [{"choices": [*TEXTS, "red "], "answer": 0}, {"choices": TEXTS, "answer": 1}]
    assert learn_answers(rows, "auto", None)[3] == [
        "task: one of 3 or 4 choices, given by number from 0",
        "task: 1 row with the same choice twice: at most one of the two can be right",
    ]


def test_letters() -> None:
    assert [letter(number) for number in range(3)] == ["A", "B", "C"]
