"""Label columns as people write them: one meaning in every format, sensible kinds, weights, and errors that help."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.labels import (
    balanced,
    count,
    in_cell,
    kind_of,
    label_id,
    label_ids,
    labels_of,
    names_of,
    nearest,
    number,
    place_of,
    summary,
    telling,
    weights_of,
)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("a|b", ["a", "b"]),
        (" very good | 好 ", ["very good", "好"]),
        ("|a||b|", ["a", "b"]),
        ("a", "a"),
        ('["a", "b"]', ["a", "b"]),
        ("['a', 'b c']", ["a", "b c"]),  # as pandas writes a list into a csv file
        (" [1, 2] ", [1, 2]),
        ("[]", []),
        ("[draft] a film", "[draft] a film"),
        ("[draft]|new", ["[draft]", "new"]),
        (["a", "b"], ["a", "b"]),
        (3, 3),
        (None, None),
    ],
)
def test_a_cell_holds_one_label_or_several(cell: Any, found: Any) -> None:
    assert in_cell(cell, "|") == found


def test_without_a_separator_a_cell_is_one_label() -> None:
    assert in_cell("a|b", "") == "a|b"
    assert in_cell("['a']", "") == "['a']"
    assert in_cell("a, b", ",") == ["a", "b"]


@given(st.lists(st.text()))
def test_lists_in_a_cell_are_read_from_json_and_python(labels: list[str]) -> None:
    assert in_cell(repr(labels), "|") == labels
    assert in_cell(json.dumps(labels, ensure_ascii=False), "|") == labels


@given(st.text(), st.sampled_from(["|", ",", "; "]))
def test_any_text_is_a_cell(text: str, separator: str) -> None:
    found = in_cell(text, separator)
    assert found == text or isinstance(found, list)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["good", "bad"], "single"),
        (["0", "1"], "single"),
        ([0, 1, 2], "single"),
        ([0.0, 1.0], "single"),  # numbers that pandas made floats of
        ([True, False], "single"),
        (["1.0", "2.0"], "single"),
        (["3.5", "2", "1"], "regression"),
        ([3.5, 2, 1], "regression"),
        (["1e-3", "2"], "regression"),
        (["3.5", "good"], "single"),
        (["3.5", "nan"], "single"),
        ([["a"], ["a", "b"]], "multi"),
        (["a", ["a", "b"]], "multi"),
    ],
)
def test_the_kind_of_a_column(values: list[Any], kind: str) -> None:
    assert kind_of(values) == kind


def test_where_labels_are_known_numbers_are_labels() -> None:
    assert kind_of(["0.5", "1.5"], ["0.5", "1.5"]) == "single"
    assert kind_of([["a"]], ["a"]) == "multi"


def test_a_label_has_one_name_in_every_format() -> None:
    assert {names_of(value)[0] for value in (1, 1.0, "1", "1.0", " 1 ", "1.00")} == {"1"}
    assert {names_of(value)[0] for value in (True, "true")} == {"true"}
    assert names_of(False) == ["false"]
    assert names_of([2.0, "very good ", "好"]) == ["2", "very good", "好"]
    assert names_of("1.5") == ["1.5"]
    assert names_of("-3.0") == ["-3"]
    assert names_of("v1.0") == ["v1.0"]
    assert names_of("007") == ["007"]


@given(st.integers())
def test_integers_and_their_texts_are_one_label(value: int) -> None:
    assert names_of(value) == names_of(str(value)) == names_of(f" {value}.0")


def test_counts_are_of_rows_in_natural_order() -> None:
    assert list(count(["b", "10", "a", "9", "10"]).items()) == [("9", 1), ("10", 2), ("a", 1), ("b", 1)]
    assert count([["a", "a"], ["b", "a"], []]) == {"a": 2, "b": 1}
    assert list(count([-1, 0, 1])) == ["-1", "0", "1"]


def test_labels_are_those_given_else_those_found() -> None:
    assert labels_of(["b", "a"], "single") == ["a", "b"]
    assert labels_of(["b", "a"], "single", ["b", "a", "c"]) == ["b", "a", "c"]
    assert labels_of([1, 0], "single", ["1.0", " 0"]) == ["1", "0"]
    assert labels_of([["b"], []], "multi") == ["b"]
    assert labels_of([0.5, 1.5], "regression") == ["value"]
    assert labels_of([0.5, 1.5], "regression", ["stars"]) == ["stars"]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a", "a"], "single", "the only label of the training rows is 'a', so there is nothing to learn"),
        ([1.5, "1.50"], "regression", None),
        ([1.5, 1.5], "regression", "the only label of the training rows is '1.5'"),
        ([[], []], "multi", "the only label"),
        (["a,b", "c"], "multi", r"no training row has several labels: the first has 'a,b'\. Say what parts them, task\.separator"),
    ],
)
def test_a_column_must_leave_something_to_learn(values: list[Any], kind: str, message: str | None) -> None:
    if message is None:
        assert labels_of(values, kind) == ["value"]
        return
    with pytest.raises(InputError, match=message):
        labels_of(values, kind)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    values = np.random.default_rng(0).choice(["a", "b", "c"], 100, p=[0.7, 0.2, 0.1]).tolist()
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=values)
    assert weights_of(values, ["a", "b", "c"], "balanced") == pytest.approx(expected.tolist(), abs=1e-6)
    assert balanced({"a": 3}, ["a", "new"]) == [0.5, 1.5]


def test_weights_come_in_order_or_by_name() -> None:
    values = ["a", "b", "1"]
    assert weights_of(values, ["1", "a", "b"], "none") == "none"
    assert weights_of(values, ["1", "a", "b"], [1, 2.0, 3]) == [1.0, 2.0, 3.0]
    assert weights_of(values, ["1", "a", "b"], {"b": 3, "1.0": 2}) == [2.0, 1.0, 3.0]
    with pytest.raises(InputError, match=r"3 labels \(1, a, b\) need as many weights, not 2"):
        weights_of(values, ["1", "a", "b"], [1, 2])
    with pytest.raises(InputError) as caught:
        weights_of(["good", "bad"], ["bad", "good"], {"god": 1.0, "x": 2.0})
    assert [str(problem) for problem in caught.value.problems] == [
        "task.class_weights: 'god' is no label. Did you mean 'good'?",
        "task.class_weights: 'x' is no label. The labels are bad, good.",
    ]


def test_what_is_learned_is_said() -> None:
    assert summary(["a", "b", "b"], "single", ["a", "b", "c"]) == "task: one of 3 labels: b (2), a (1), c (0)"
    assert summary([["a", "b"], ["b"]], "multi", ["a", "b"]) == "task: any of 2 labels: b (2), a (1)"
    assert summary(["0.5", 3, "x"], "regression", ["value"]) == "task: a number, 0.5 to 3 in the training rows"
    assert summary(["x"], "regression", ["value"]) == "task: a number"
    many = [str(i) for i in range(20)]
    assert summary(many, "single", many).endswith("7 (1) and 12 more")


def test_names_become_numbers() -> None:
    labels = ["bad", "good", "odd"]
    assert label_id(" good ", labels) == 1
    assert label_ids(["odd", "bad", "odd"], labels) == [2, 0]
    assert label_ids([], labels) == []
    assert label_ids("odd", labels) == [2]
    assert (number("3.5"), number(2), number(" 1e3 ")) == (3.5, 2.0, 1000.0)


def test_a_label_is_looked_for_where_it_was_found() -> None:
    class Counted(list[str]):
        read = 0

        def __iter__(self) -> Any:
            raise AssertionError("all labels are gone through")

        def __getitem__(self, place: Any) -> Any:
            Counted.read += 1
            return super().__getitem__(place)

    names = [f"label {number}" for number in range(1000)]
    assert [label_id(name, names) for name in names] == list(range(1000))
    counted = Counted(names)
    counted.index = None  # type: ignore[method-assign, assignment]
    assert [label_id(name, counted) for name in names] == list(range(1000))
    assert Counted.read == 1000
    assert [label_id(name, names[500:]) for name in names[500:]] == list(range(500))  # other labels, in other places
    assert place_of("label 3", names[500:]) == -1


@pytest.mark.parametrize(
    ("read", "value", "message", "remedy"),
    [
        (
            label_id,
            "goood",
            "'goood' is not a label of the training rows",
            "Did you mean 'good'?",
        ),
        (label_id, "x", "'x' is not a label of the training rows", "The labels are bad, good"),
        (label_id, None, "the label is empty", "Give it a label, or leave the row out"),
        (label_id, " ", "the label is empty", "Give it a label, or leave the row out"),
        (label_ids, ["good", None], "the label is empty", "Give it a label, or leave the row out"),
        (label_ids, ["good", ""], "the label is empty", "Give it a label, or leave the row out"),
        (label_id, ["good", "bad"], "2 labels in a row", "Give one, or set task.kind: multi"),
        (label_id, [], "0 labels in a row", "Give one, or set task.kind: multi"),
        (number, "3,5", "'3,5' is not a number", "Give a number, or set task.kind: single"),
        (number, "inf", "'inf' is not a number", "Give a number, or set task.kind: single"),
        (number, None, "'None' is not a number", "Give a number, or set task.kind: single"),
        (number, True, "'True' is not a number", "Give a number, or set task.kind: single"),
    ],
)
def test_a_row_that_cannot_be_used(read: Any, value: Any, message: str, remedy: str) -> None:
    with pytest.raises(RowError) as caught:
        read(value, ["bad", "good"])
    assert (caught.value.message, caught.value.remedy, caught.value.column) == (message, remedy, "label")


def test_names_that_say_something() -> None:
    assert telling(["positive", "negative", "好"])
    assert not telling(["0", "1"])
    assert not telling(["1.5", "other"])
    assert not telling(["true", "false"])
    assert not telling(["Yes", "No"])


def test_long_lists_are_shortened() -> None:
    assert nearest("zzz", [f"label{i}" for i in range(9)]).endswith("label6, label7, ...")
