"""Encoded rows come back as the task made them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.encode import Encoded, encode, numbers_of, whole_numbers
from tunesmith.data.examples import Examples
from tunesmith.data.source import read

numbers = st.integers(-(2**40), 2**40) | st.floats(width=32, allow_nan=False)
lists = st.lists(st.integers(-(2**40), 2**40)) | st.lists(st.floats(width=32, allow_nan=False))


@given(st.lists(st.tuples(st.lists(st.integers(0, 2**40)), st.integers()), min_size=1), st.integers(1, 5))
def test_features_come_back(rows: list[tuple[list[int], int]], size: int) -> None:
    features = [{"input_ids": ids, "label": number % 2**50} for ids, number in rows]
    encoded = Encoded(features[start : start + size] for start in range(0, len(features), size))
    assert list(encoded) == [{**feature, "length": len(feature["input_ids"]), "row": row} for row, feature in enumerate(features)]
    assert encoded.lengths.tolist() == [len(ids) for ids, _ in rows]


def test_a_task_encodes_chunk_by_chunk(task) -> None:
    task.labels = ["a", "b"]
    rows, _ = read([{"text": "word " * count, "label": "ab"[count % 2]} for count in range(1, 12)])
    encoded = encode(Examples(rows, task), task, None, chunk=4)
    assert len(encoded) == 11
    assert encoded[4] == {"input_ids": [4] * 5, "truncated": 0, "label": 1, "weight": 0.5, "length": 5, "row": 4}
    assert encoded[-1]["row"] == 10
    assert [row["row"] for row in encoded[2:4]] == [2, 3]
    assert encoded.lengths.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]
    assert encoded.truncated == 3
    with pytest.raises(IndexError):
        encoded[11]


def test_types_stay_and_floats_are_those_of_float32() -> None:
    row = Encoded([[{"input_ids": [1], "score": 0.1, "mask": [True, False], "empty": []}]])[0]
    assert row == {"input_ids": [1], "score": float(np.float32(0.1)), "mask": [True, False], "empty": [], "length": 1, "row": 0}
    assert type(row["score"]) is float


def test_chunks_may_differ_in_features() -> None:
    encoded = Encoded([[{"length": 1}], [{"length": 2, "pair": [1]}]])
    assert encoded[0] == {"length": 1, "row": 0}
    assert encoded[1] == {"length": 2, "pair": [1], "row": 1}


@pytest.mark.parametrize("value", ["text", [[1], [2]], None, ["a"]])
def test_features_that_are_no_numbers_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="feature 'odd'"):
        Encoded([[{"length": 1, "odd": value}]])


def test_rows_that_cannot_be_encoded_are_named(task, write, monkeypatch) -> None:
    task.labels = ["good"]
    path = write("rows.jsonl", [{"text": text, "label": "good"} for text in ("a", "b bad", "c", "d", "bad")])
    as_ever = task.encode

    def refusing(rows, tokenizer):
        if any("bad" in row["text"] for row in rows):
            raise RowError("nothing to learn", "Leave it out", "text")
        return as_ever(rows, tokenizer)

    monkeypatch.setattr(task, "encode", refusing)
    with pytest.raises(InputError) as caught:
        encode(Examples(read(path)[0], task), task, None, chunk=3)
    assert [(problem.file, problem.line, problem.message) for problem in caught.value.problems] == [
        (str(path), line, "nothing to learn") for line in (2, 5)
    ]
    with pytest.raises(InputError, match="nothing to learn"):
        encode([{"text": "bad", "label": 0}], task, None)


def test_parts_are_joined_and_know_which_they_were() -> None:
    one = Encoded([[{"input_ids": [1, 2], "label": 0}, {"input_ids": [3], "label": 1, "truncated": 2}]])
    other = Encoded(
        [[{"input_ids": [4], "tags": [0]}], [{"input_ids": [5, 6], "tags": [1, 0]}, {"input_ids": [7], "tags": [1], "example": 0}]]
    )
    whole = Encoded.join({"one": one, "other": other}, "part")
    assert [item["part"] for item in whole] == [0, 0, 1, 1, 1]
    assert [item["row"] for item in whole] == [0, 1, 2, 3, 3]
    assert [item["input_ids"] for item in whole] == [[1, 2], [3], [4], [5, 6], [7]]
    assert ("label" in whole[1], "tags" in whole[1], "label" in whole[2]) == (True, False, False)
    assert (whole.lengths.tolist(), whole.rows.tolist(), whole.tokens().tolist()) == ([2, 1, 1, 2, 1], [0, 1, 2, 3, 3], list(range(1, 8)))


def test_groups_of_parts_stay_apart() -> None:
    one, other = Encoded([[{"input_ids": [1]}, {"input_ids": [2]}]]), Encoded([[{"input_ids": [3]}]])
    one.mark("group", np.array([1, 0]))
    one.groups = ["book", "web"]
    other.mark("group", np.array([0]))
    other.groups = ["book"]
    whole = Encoded.join({"films": one, "plain": Encoded([[{"input_ids": [4]}]]), "music": other}, "part")
    assert whole.groups == ["films: book", "films: web", "music: book"]
    assert [item.get("group") for item in whole] == [1, 0, None, 2]


def test_items_have_the_group_of_their_example(task) -> None:
    task.labels = ["a", "b"]
    groups = ["web", "book", "web", "news", "book"]
    rows, _ = read([{"text": "word", "label": "a", "group": group} for group in groups])
    encoded = encode(Examples(rows, task), task, None, chunk=2)
    assert [item["group"] for item in encoded] == [2, 0, 2, 1, 0]
    parts = Encoded([[{"input_ids": [1], "example": 0}, {"input_ids": [2], "example": 0}], [{"input_ids": [3]}]])
    parts.mark("group", np.array([7, 8]))
    assert [item["group"] for item in parts] == [7, 7, 8]


def test_one_number_of_each_item_is_read_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = [[{"input_ids": [1, 2], "label": 3, "hard": 0.5}], [{"input_ids": [3], "label": 700, "hard": 2.0}] * 2]
    items = list(encoded := Encoded(chunks))
    monkeypatch.setattr(Encoded, "__getitem__", lambda *_: pytest.fail("an item was decoded"))
    for rows in (encoded, items):
        assert numbers_of(rows, "label").tolist() == [3, 700, 700]
        assert numbers_of(rows, "row").tolist() == [0, 1, 2]
        assert numbers_of(rows, "length").tolist() == [2, 1, 1]
        assert numbers_of(rows, "hard").tolist() == [0.5, 2.0, 2.0]
        for name in ("input_ids", "none"):
            with pytest.raises(KeyError, match=name):
                numbers_of(rows, name)
        assert whole_numbers(rows, "label").tolist() == [3, 700, 700]
        assert [whole_numbers(rows, name) for name in ("hard", "input_ids", "none")] == [None] * 3
    assert [numbers_of(empty, "row").dtype.kind for empty in (Encoded([]), [])] == ["i", "i"]
