"""Questions as people write them: SQuAD 1.1 and 2.0, CMRC, DRCD, rows of a table; and what a newcomer gets wrong, in a line each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.source import read
from tunesmith.data.squad import Answer, answer_of, answers_of, questions, summary

CONTEXT = "Paris is in France. The Seine flows through Paris."
ARTICLE: dict[str, Any] = {
    "title": "Paris",
    "paragraphs": [
        {
            "context": CONTEXT,
            "qas": [
                {"id": "1", "question": "Where is Paris?", "answers": [{"text": "France", "answer_start": 12}], "is_impossible": False},
                {"id": "2", "question": "Where is Rome?", "answers": [], "is_impossible": True},
            ],
        },
        {"context": "Berlin.", "qas": [{"id": "3", "question": "What?", "answers": [{"text": "Berlin", "answer_start": 0}]}]},
    ],
}


def row(answers: Any, **more: Any) -> dict[str, Any]:
    return {"context": CONTEXT, "answers": answers} | more


# Files


def test_a_file_of_squad_is_read_question_by_question(tmp_path: Path) -> None:
    file = tmp_path / "train-v2.0.json"
    file.write_text(json.dumps({"version": "v2.0", "data": [ARTICLE, ARTICLE]}), encoding="utf-8")
    rows, bad = read(str(file))
    assert bad == []
    assert [row["id"] for row in rows] == ["1", "2", "3"] * 2
    assert rows[1]["is_impossible"] is True
    assert [answer_of(row, None).texts for row in rows][:3] == [("France",), (), ("Berlin",)]
    assert rows.place(4) == (str(file), 5)


def test_cmrc_names_its_keys_otherwise() -> None:
    item = {"context_text": "北京。", "qas": [{"query_text": "哪里？", "query_id": "T1", "answers": ["北京"]}], "title": "x"}
    [found] = questions(item) or []
    assert (found["context"], found["question"], found["id"], found["answers"]) == ("北京。", "哪里？", "T1", ["北京"])


@pytest.mark.parametrize(
    "item", [{}, {"text": "a"}, {"paragraphs": []}, {"paragraphs": ["a"]}, {"qas": "?"}, {"paragraphs": [{"qas": None}]}]
)
def test_other_objects_are_no_articles(item: dict[str, Any]) -> None:
    assert questions(item) is None


# Answers in every form


@pytest.mark.parametrize(
    ("answers", "more"),
    [
        ({"text": ["France"], "answer_start": [12]}, {}),
        ([{"text": "France", "answer_start": 12}], {}),
        ({"text": "France", "answer_start": 12}, {}),
        ("France", {"answer_start": 12}),
        ("France", {}),
        (" France ", {"answer_start": 11}),
        (["France"], {"answer_start": "12"}),
        ("{'text': ['France'], 'answer_start': [12]}", {}),
        ('[{"text": "France", "answer_start": 12}]', {}),
        ({"text": ["France", "France", "in France"], "answer_start": [12, 12, 9]}, {"is_impossible": "False"}),
    ],
)
def test_an_answer_in_every_form(answers: Any, more: dict[str, Any]) -> None:
    found = answer_of(row(answers, **more), None)
    assert found.texts[0] == "France"
    assert CONTEXT[found.start : found.end] == "France"
    assert not found.moved


def test_every_answer_counts_as_right_once() -> None:
    assert answer_of(row(["in France", "France", "France"]), None).texts == ("in France", "France")


@pytest.mark.parametrize(
    ("answers", "more", "unanswerable"),
    [
        ([], {}, None),
        ({"text": [], "answer_start": []}, {}, None),
        ("[]", {}, None),
        (None, {"is_impossible": True}, None),
        ("", {"is_impossible": "true"}, None),
        ([], {"is_impossible": 1}, None),
        (None, {}, True),
        (float("nan"), {}, True),
        (" ", {}, True),
    ],
)
def test_there_is_no_answer(answers: Any, more: dict[str, Any], unanswerable: bool | None) -> None:
    assert answer_of(row(answers, **more), unanswerable) == Answer()


def test_a_wrong_place_gives_way_to_the_nearest_right_one() -> None:
    found = answer_of(row("Paris", answer_start=40), None)
    assert (found.start, found.moved, found.several) == (44, True, False)


def test_the_first_place_of_several_is_taken_where_none_is_given() -> None:
    found = answer_of(row("Paris"), None)
    assert (found.start, found.moved, found.several) == (0, False, True)


# What newcomers get wrong


@pytest.mark.parametrize(
    ("answers", "more", "message", "remedy", "column"),
    [
        ("Lyon", {}, "the answer 'Lyon' is not in the context", "Copy it from the context letter for letter", "answers"),
        ("france", {}, "the answer 'france' is not in the context", "Did you mean 'France'?", "answers"),
        ("inFrance", {}, "is not in the context", "Did you mean 'in France'?", "answers"),
        ("", {}, "the answer is empty", "set task.unanswerable: true", "answers"),
        ([""], {}, "the answer is empty", "an empty list where there is none|set task.unanswerable", "answers"),
        ({"text": [""], "answer_start": [0]}, {}, "the answer is empty", "an empty list where there is none", "answers"),
        ("France", {"answer_start": "twelve"}, "answer_start is 'twelve'", "number of characters before", "answer_start"),
        ("France", {"is_impossible": True}, "is_impossible is true, and there is an answer", "Take one", "is_impossible"),
        ([], {"is_impossible": False}, "is_impossible is false, and there is no answer", "Give the answer", "answers"),
        ("France", {"is_impossible": "perhaps"}, "is_impossible is 'perhaps'", "true or false", "is_impossible"),
        ({"answer": "France"}, {}, "an answer has the keys answer, and no text", "Write text and answer_start", "answers"),
        ({"text": ["a", "b"], "answer_start": [1]}, {}, "2 answers have 1 places", "for each text", "answers"),
    ],
)
def test_mistakes(answers: Any, more: dict[str, Any], message: str, remedy: str, column: str) -> None:
    with pytest.raises(RowError) as caught:
        answer_of(row(answers, **more), None)
    assert message in caught.value.message
    assert re.search(remedy, caught.value.remedy)
    assert caught.value.column == column


def test_no_answer_where_the_task_has_none_is_a_mistake() -> None:
    with pytest.raises(RowError, match=r"task\.unanswerable is false"):
        answer_of(row([]), False)


def test_a_long_answer_is_shortened_in_the_message() -> None:
    with pytest.raises(RowError) as caught:
        answer_of(row("x" * 500), None)
    assert len(caught.value.message) < 110


# All rows


def test_rows_that_are_wrong_are_passed_over_here() -> None:
    found = answers_of([row("France"), row("Lyon"), row([]), {"context": None, "answers": "a"}], None)
    assert [answer.texts for answer in found] == [("France",), ()]


def test_no_answer_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no training row has an answer"):
        answers_of([row([]), row([])], None)


def test_what_is_odd_is_counted() -> None:
    rows = [row("France"), row([]), row("Paris"), row("Paris", answer_start=2), row(CONTEXT)]
    assert summary(answers_of(rows, None), 5) == [
        "task: 4 questions with an answer in their context, 1 without",
        "task: 1 answers do not stand where answer_start says: the nearest place is taken",
        "task: 1 answers stand several times in their context: the first place is taken",
        "task: 1 answers have more than 5 words, and cannot be given whole: raise task.max_answer",
    ]
