"""Rows of tokens and tags in every form, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.tagged import Tagged, kinds_in, learn, most_frequent

BIO = Tagged("bio", ["O", "B-X", "I-X"], "words")
READ = {"text": "a b c", "starts": [0, 2, 4], "ends": [1, 3, 5], "tags": [0, 1, 2]}


@pytest.mark.parametrize(
    "row",
    [
        {"text": ["a", "b", "c"], "tags": ["O", "B-X", "I-X"]},
        {"text": "a b c", "tags": "O B-X I-X"},
        {"text": '["a", "b", "c"]', "tags": "['O', 'B-X', 'I-X']"},
        {"text": "a b c", "tags": [{"start": 2, "end": 5, "label": "X"}]},
        {"text": "a b c", "tags": '[{"start": 2, "end": 5, "label": "X"}]'},
    ],
)
def test_every_form_is_read_alike(row: dict[str, Any]) -> None:
    assert BIO.read(row) == READ
    assert BIO.read({"text": row["text"]}) == {name: READ[name] for name in ("text", "starts", "ends")}


def test_chinese() -> None:
    found = BIO.read({"text": "我爱北京", "tags": "O O B-X I-X"})
    assert found["starts"] == [0, 1, 2, 3]
    assert found["tags"] == [0, 0, 1, 2]
    assert BIO.read({"text": "我爱北京", "tags": []})["tags"] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": ["a", "b"], "tags": ["O"]}, "there are 2 tokens, and 1 tags"),
        ({"text": "a b", "tags": "O"}, "there are 2 tokens, and 1 tags"),
        ({"text": ["a", "b"], "tags": ["o", "b-x"]}, "'o' is no BIO tag"),
        ({"text": ["a", "b"], "tags": [0, 1]}, "'0' is no BIO tag"),
        ({"text": ["a"], "tags": ["B-Y"]}, "'B-Y' is not a tag of the training rows"),
        ({"text": ["a"], "tags": ["I-X"]}, "'I-X' at token 1 ('a') comes first, which bio does not allow"),
        ({"text": ["a", "b"], "tags": ["O", " "]}, "a tag is empty"),
        ({"text": ["a", "b"], "tags": ["O", None]}, "a tag is empty"),
        ({"text": ["a", "b"], "tags": 3}, "3 is no list of tags"),
        ({"text": ["a", "b"], "tags": [[0, 1, "X"]]}, "entities in characters need the text in one piece"),
    ],
)
def test_rows_that_cannot_be_used(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError) as error:
        BIO.read(row)
    assert error.value.message == message
    assert error.value.remedy
    assert error.value.column in ("text", "tags")


def test_what_training_rows_show() -> None:
    found = learn([{"text": ["an", "ox"], "tags": ["O", "B-X"]}, {"text": ["cat"], "tags": None}], "auto", [], "auto")
    assert found.tagged == Tagged("bio", ["O", "B-X", "I-X"], "words")
    assert found.lines == ["task: 1 types of entities (bio): X (1)"]
    spans = learn([{"text": "5kgs of it", "tags": [[1, 3, "UNIT"]]}, {"text": "none", "tags": []}], "auto", [], "auto")
    assert spans.tagged == Tagged("bio", ["O", "B-UNIT", "I-UNIT"], "words")
    assert "1 entities begin or end inside a token" in spans.lines[1]
    plain = learn([{"text": "a b", "tags": [10, 9]}], "auto", [], "auto")
    assert plain.tagged == Tagged("none", ["9", "10"], "blanks")
    with pytest.raises(InputError, match="nothing to learn"):
        learn([{"text": ["a", "b"], "tags": ["O", "O"]}], "auto", [], "auto")


def test_a_row_without_the_scheme_of_the_others_is_refused() -> None:
    rows = [{"text": ["an", "ox"], "tags": ["O", "B-PER"]}] * 20 + [{"text": ["an", "ox"], "tags": ["O", "b-per"]}]
    found = learn(rows, "auto", [], "auto")
    assert found.tagged == Tagged("bio", ["O", "B-PER", "I-PER"], "words")
    assert found.lines == ["task: 1 types of entities (bio): PER (20)"]
    with pytest.raises(RowError) as error:
        found.tagged.read(rows[-1])
    assert (error.value.message, error.value.remedy) == (
        "'b-per' is no BIO tag",
        "Write B-PER, or set task.scheme: none where tags write no entities",
    )


def test_the_most_frequent_tag() -> None:
    tag_of = most_frequent([(["May", "may", "rain"], [1, 2, 0]), (["may", "it"], [2, 0]), (["so"], [0])])
    assert [tag_of(word) for word in ("May", "may", "MAY", "unknown")] == [1, 2, 2, 0]


def test_what_a_cell_has_as_far_as_it_can_be_read() -> None:
    assert kinds_in("B-PER I-PER O") == {"PER", "O"}
    assert kinds_in([{"start": 0, "end": 2, "label": "LOC"}]) == {"LOC"}
    assert kinds_in(7) == set()
