"""Texts that are to be near: every kind of rows, what may be contrasted in a micro-batch, and what a newcomer gets wrong."""

from __future__ import annotations

from typing import Any

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.columns import find
from tunesmith.data.encode import Encoded
from tunesmith.data.similar import (
    columns_of,
    contrasts,
    encode_similar,
    halves,
    learn_similar,
    pad_similar,
    prediction,
    score_of,
    shown,
    texts_of,
)

TRIPLET = {"anchor": "a film", "positive": "a movie", "negative": "a cat"}


@pytest.mark.parametrize(
    ("headers", "roles"),
    [
        (["query", "positive", "negative"], ["anchor", "positive", "negative"]),
        (["sentence1", "sentence2", "score"], ["anchor", "positive", "score"]),
        (["text1", "text2", "similarity"], ["anchor", "positive", "score"]),
        (["question", "answer"], ["anchor", "positive"]),
        (["text"], ["anchor"]),
    ],
)
def test_columns_are_found_by_name(headers: list[str], roles: list[str]) -> None:
    assert list(find(columns_of("auto"), headers)) == roles


def test_what_an_anchor_is_to_find_is_the_truth_and_else_the_score() -> None:
    assert [column.role for column in columns_of("triplets") if column.truth] == ["positive", "negative", "score"]
    assert [column.role for column in columns_of("scored") if column.truth] == ["score"]
    assert [column.role for column in columns_of("scored") if column.required] == ["anchor", "positive", "score"]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (TRIPLET, "triplets"),
        ({"anchor": "a", "positive": "b"}, "pairs"),
        ({"anchor": "a", "positive": "b", "score": 1}, "scored"),
        ({"anchor": "a"}, "unsupervised"),
        ({"anchor": "a", "score": 1}, "unsupervised"),
    ],
)
def test_what_rows_are_is_seen_from_their_columns(row: dict[str, Any], kind: str) -> None:
    rows = [row, {name: f"{value}2" if isinstance(value, str) else 0 for name, value in row.items()}]
    assert learn_similar(rows, "auto")[0] == kind


def test_texts_by_kind() -> None:
    assert texts_of(TRIPLET, "triplets") == ["a film", "a movie", "a cat"]
    assert texts_of(TRIPLET, "pairs") == ["a film", "a movie"]
    assert texts_of({"anchor": "a film"}, "triplets") == ["a film"]  # when predicting
    assert texts_of({"anchor": "a good film"}, "unsupervised") == ["a good film", "a", "good film"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a b c d", ["a b", "c d"]), ("a  b\nc", ["a", "b c"]), ("film", ["fi", "lm"]), ("很好看", ["很", "好看"]), ("x", ["x", "x"])],
)
def test_halves(text: str, parts: list[str]) -> None:
    assert halves(text) == parts


@pytest.mark.parametrize(
    ("row", "kind", "message", "column"),
    [
        ({"anchor": " "}, "unsupervised", "the text is empty", "anchor"),
        ({"anchor": "a", "positive": None}, "pairs", "the text is empty", "positive"),
        ({"anchor": "a", "positive": ["b", "c"]}, "pairs", r"\['b', 'c'\] is no text", "positive"),
        (TRIPLET | {"negative": ""}, "triplets", "the text is empty", "negative"),
        (TRIPLET | {"negative": "a movie "}, "triplets", "the positive and the negative are the same text", "negative"),
    ],
)
def test_mistakes_in_texts(row: dict[str, Any], kind: str, message: str, column: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        texts_of(row, kind)
    assert caught.value.column == column
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("value", "message"), [("entailment", "the score is 'entailment'"), (None, "is empty"), ("", "is empty"), ("nan", "is 'nan'")]
)
def test_mistakes_in_scores(value: Any, message: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        score_of({"score": value})
    assert caught.value.column == "score"
    assert score_of({"score": "4.5"}) == 4.5


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([{"anchor": "a", "positive": "b"}], "triplets", "task.kind: triplets needs a column for the negative"),
        ([{"anchor": "a", "score": 1}], "scored", "task.kind: scored needs a column for the positive"),
        ([{"anchor": "a", "positive": "b", "score": 1}, {"anchor": "b", "positive": "c", "score": "1.0"}], "auto", "every score is 1"),
        ([{"anchor": "a", "positive": "b"}, {"anchor": "c", "positive": "b"}], "auto", "every row has the same positive"),
        ([{"anchor": "a"}, {"anchor": "a"}], "auto", "every row has the same text"),
    ],
)
def test_rows_that_teach_nothing_are_refused(rows: list[dict[str, Any]], kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        learn_similar(rows, kind)


def test_what_was_found_is_told() -> None:
    rows = [{"anchor": "a", "positive": "a "}, {"anchor": "b", "positive": "c"}, {"anchor": "b", "positive": ""}]
    assert learn_similar(rows, "auto") == (
        "pairs",
        [],
        ["task: 2 pairs of texts", "task: 1 row with one text as anchor and as positive, which teaches little"],
    )
    scored = [{"anchor": "a", "positive": "b", "score": score} for score in (0, "5", 2.5)]
    assert learn_similar(scored, "auto") == ("scored", [0.0, 5.0], ["task: 3 scored pairs of texts, scores 0 to 5"])


# What may be contrasted


def test_a_positive_that_is_in_the_batch_twice_is_no_negative() -> None:
    own, barred = contrasts([["q1", "p"], ["q2", "p"], ["q3", "r"]])
    assert own.tolist() == [0, 1, 2]
    assert barred.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_positives_of_one_anchor_are_no_negatives_of_it_and_neither_is_its_own_text() -> None:
    own, barred = contrasts([["q", "p1"], ["q", "p2"], ["r", "q"]])
    assert own.tolist() == [0, 1, 2]
    assert barred.tolist() == [[False, True, True], [True, False, True], [False, False, False]]


def test_given_negatives_stand_beside_the_positives_of_others() -> None:
    own, barred = contrasts([["a", "p", "n"], ["b", "o", "p"]])
    assert own.tolist() == [0, 2]
    assert barred.tolist() == [[False, False, False, True], [False, False, False, False]]


def padded(rows: list[dict[str, Any]], kind: str) -> tuple[Any, ...]:
    items = Encoded([encode_similar(rows, tiny.tokenizer(), 64)])
    return pad_similar([items[row] for row in range(len(items))], tiny.tokenizer(), kind)


def test_items_are_padded_with_what_is_known_of_them() -> None:
    inputs, targets, tokens, sizes = padded(
        [{"texts": ["a film", "a movie", "cat"]}, {"texts": ["no", "yes", "a very good dog"]}], "triplets"
    )
    assert inputs["input_ids"].shape == (6, 6)
    assert sizes == [3, 3]
    assert targets["firsts"].tolist() == [0, 3]
    assert targets["own"].tolist() == [0, 2]
    assert tokens == 4 + 4 + 3 + 3 + 3 + 6
    _, scored, _, _ = padded([{"texts": ["a", "b"], "score": 0.5}, {"texts": ["c", "d"], "score": 2.0}], "scored")
    assert scored.keys() == {"firsts", "score"}
    assert scored["score"].tolist() == [0.5, 2.0]
    _, alone, _, _ = padded([{"texts": ["a"]}, {"texts": ["no"]}], "pairs")
    assert alone.keys() == {"firsts"}


def test_without_supervision_each_text_is_its_own_positive() -> None:
    _, targets, _, _ = padded(
        [{"texts": ["a film", "a", "film"]}, {"texts": ["a film", "a", "film"]}, {"texts": ["no", "n", "o"]}], "unsupervised"
    )
    assert targets["own"].tolist() == [0, 1, 2]
    assert targets["barred"].tolist() == [[False, True, False], [True, False, False], [False, False, False]]


# What is told of them


def test_a_prediction_has_the_vector_and_what_it_is_compared_with() -> None:
    assert prediction([[1.0, 0.0]]) == {"vector": [1.0, 0.0]}
    assert prediction([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]) == {
        "vector": [1.0, 0.0],
        "vectors": [[0.6, 0.8], [0.0, 1.0]],
        "similarities": [0.6, 0.0],
    }


def test_rows_as_people_see_them() -> None:
    assert shown(["q", "p"], {"similarities": [0.81234]}, None, "pairs") == {"text": "q", "predicted": "cosine 0.812", "truth": "p"}
    assert shown(["q", "p", "n"], {"similarities": [0.2, 0.3]}, None, "triplets") == {"text": "q", "predicted": "n", "truth": "p"}
    assert shown(["a", "b"], {"similarities": [0.5]}, 4.0, "scored") == {"text": "a | b", "predicted": 0.5, "truth": 4.0}
    assert shown(["a", "b"], {"similarities": [0.5]}, None, "scored") == {"text": "a | b", "predicted": 0.5}
    assert shown(["q"], {"vector": [0.6, 0.8]}, None, "pairs") == {"text": "q", "predicted": [0.6, 0.8]}
    assert shown(["a b", "a", "b"], {"similarities": [0.5, 0.25]}, None, "unsupervised")["text"] == "a b"


def test_a_text_is_known_again_under_another_prompt() -> None:
    """What is an anchor in one row and a positive in another is no negative of itself; prompts are no part of it."""
    rows: list[dict[str, Any]] = [{"texts": ["the film", "a movie"]}, {"texts": ["a song", "the film"]}]
    items = encode_similar(rows, tiny.tokenizer(), 64, ("is ", "was "))
    _, targets, _, _ = pad_similar(items, tiny.tokenizer(), "pairs")
    assert targets["barred"].tolist() == [[False, True], [False, False]]
    words = [tiny.VOCABULARY[ids] for ids in items[0]["input_ids"]]
    assert words == ["[CLS]", "is", "the", "film", "[SEP]", "[CLS]", "was", "a", "movie", "[SEP]"]
    assert "same" not in encode_similar(rows, tiny.tokenizer(), 64, ("is ", "is "))[0]
