"""Columns are found by name, or mapped, or missed with a remedy."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import Column
from tunesmith.data.columns import describe, find

COLUMNS = (
    Column("text", ("sentence", "review text", "body")),
    Column("pair", ("sentence2",), required=False),
    Column("label", ("class", "stars"), truth=True),
)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (["text", "label"], {"text": "text", "label": "label"}),
        (["Body", "Review_Text", "STARS"], {"text": "Review_Text", "label": "STARS"}),
        (["sentence2", "sentence", "class"], {"text": "sentence", "pair": "sentence2", "label": "class"}),
    ],
)
def test_names_are_compared_without_case_and_punctuation(headers: list[str], found: dict[str, str]) -> None:
    assert find(COLUMNS, headers) == found


def test_a_mapped_column_is_taken_by_no_other() -> None:
    assert find(COLUMNS, ["text", "body", "stars"], {"label": "text"}) == {"text": "body", "label": "text"}


def test_a_role_may_have_its_place_among_the_names() -> None:
    source = Column("source", ("question", "source"))
    assert find([source], ["source", "question"]) == {"source": "question"}
    assert find([source], ["source", "answer"]) == {"source": "source"}


def test_truth_is_not_needed_to_predict() -> None:
    assert find(COLUMNS, ["text"], truth=False) == {"text": "text"}
    assert find(COLUMNS, ["text"], {"label": "stars"}, truth=False) == {"text": "text"}
    assert find(COLUMNS, ["text", "class"], truth=False) == {"text": "text", "label": "class"}


def test_everything_that_is_missing_is_named() -> None:
    with pytest.raises(InputError) as caught:
        find(COLUMNS, ["id", "reviews"], {"text": "review", "lable": "id"}, "a.csv")
    assert [str(problem) for problem in caught.value.problems] == [
        "data.columns.lable: 'lable' is not a column of this task. Did you mean 'label'?",
        "a.csv: there is no column 'review'. Did you mean 'reviews'?",
        "a.csv: no column is known as the label. The columns are id, reviews. Say which it is, for example columns: {label: reviews}.",
    ]


def test_a_column_is_proposed_for_one_role_and_only_where_it_is_free() -> None:
    with pytest.raises(InputError) as caught:
        find(COLUMNS, ["review"], None, "a.csv")
    assert [problem.remedy for problem in caught.value.problems] == [
        "Say which it is, for example columns: {text: review}",
        "Give a file with a column of the label",
    ]
    with pytest.raises(InputError, match=r"The columns are text\. Give a file with a column of the label\.$"):
        find(COLUMNS, ["text"], None, "a.txt")


def test_what_was_found_is_one_line() -> None:
    assert describe({"text": "review", "label": "stars"}) == "columns: text <- review, label <- stars"
