"""The written values: one form for tasks and strategies, places, and paths by name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import InputError
from tunesmith.recipes.document import Document, Place

FILE = Place("r.yaml", 1, 1)


def document(**value: Any) -> Document:
    return Document({"task": "text", "strategies": ["ema", {"freeze": {"layers": 1}}], **value}, {(): FILE})


def test_tasks_and_strategies_are_brought_to_one_form() -> None:
    assert document().value == {"task": {"text": {}}, "strategies": [{"ema": {}}, {"freeze": {"layers": 1}}]}
    assert document(task={"text": None}, strategies=None).value == {"task": {"text": {}}, "strategies": []}
    assert document(task=3, strategies={"ema": {}}).value == {"task": 3, "strategies": {"ema": {}}}


def test_data_alone_are_rows_to_learn_from() -> None:
    rows = [{"text": "a", "label": "b"}]
    assert document(data="rows.csv").value["data"] == {"train": "rows.csv"}
    assert document(data=rows).value["data"] == {"train": rows}
    assert document(data={"test": "rows.csv"}).value["data"] == {"test": "rows.csv"}
    assert [document(data=data).value["data"] for data in (None, 3)] == [None, 3]
    assert document(sequence=[{"data": "a.csv"}, "b"]).value["sequence"] == [{"data": {"train": "a.csv"}}, "b"]
    assert document(tasks={"a": {"data": "a.csv"}}).value["tasks"] == {"a": {"data": {"train": "a.csv"}}}
    assert document(sequence=3, tasks="a").value["sequence"] == 3
    written = document(data="rows.csv")
    written.put(written.locate(["data", "validation"]), "10%", FILE)
    assert written.value["data"] == {"train": "rows.csv", "validation": "10%"}


def test_what_was_given_is_not_changed() -> None:
    given: dict[str, Any] = {"data": {"train": ["a"]}, "strategies": [{"freeze": {"layers": 1}}], "stages": [{"training": {"epochs": 2}}]}
    before = copy.deepcopy(given)
    written = Document(given)
    for path in ("data.train.0", "data.columns.text", "strategies.freeze.layers", "stages.0.training.epochs"):
        written.put(written.locate(path.split(".")), "new", Place())
    assert given == before


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("training.epochs", ("training", "epochs")),
        ("task.max_length", ("task", "text", "max_length")),
        ("task.text.max_length", ("task", "text", "max_length")),
        ("task", ("task",)),
        ("strategies", ("strategies",)),
        ("strategies.1", ("strategies", 1)),
        ("strategies.1.layers", ("strategies", 1, "freeze", "layers")),
        ("strategies.1.freeze.layers", ("strategies", 1, "freeze", "layers")),
        ("strategies.freeze.layers", ("strategies", 1, "freeze", "layers")),
        ("strategies.freeze", ("strategies", 1, "freeze")),
        ("stages.0.training.epochs", ("stages", 0, "training", "epochs")),
        ("stages.0.strategies.ema.decay", ("stages", 0, "strategies", 0, "ema", "decay")),
        ("stages.0.task.max_length", ("stages", 0, "task", "text", "max_length")),
        ("tasks.one.task.max_length", ("tasks", "one", "task", "text", "max_length")),
    ],
)
def test_paths_lead_to_values(path: str, keys: tuple[str | int, ...]) -> None:
    part = {"task": "text", "strategies": ["ema"]}
    written = document(stages=[part], tasks={"one": part})
    assert written.locate(path.split(".")) == keys
    written.put(keys, "new", Place("path"))
    assert written.place(keys) == Place("path")


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, "strategies.lora.rank", "The recipe has no strategy 'lora'"),
        ({}, "strategies.loraa.rank", "There is no strategy 'loraa'"),
        ({"stages": [{}]}, "stages.0.strategies.lora.rank", "The recipe has no strategy 'lora'"),
        ({"stages": [{}]}, "stages.3.training.epochs", "nothing at '3'"),
        ({}, "strategies.7.layers", "nothing at '7'"),
        ({"strategies": ["ema", "ema"]}, "strategies.ema.decay", "2 strategies 'ema'"),
        ({"strategies": {"ema": {}}}, "strategies.ema.decay", "no strategy 'ema'"),
        ({"strategies": 3}, "strategies.0.decay", "nothing at '0'"),
        ({"task": 3}, "task.max_length", "nothing here"),
        ({"model": "x"}, "model.name", "nothing at 'name'"),
        ({"model": [1]}, "model.4", "nothing at '4'"),
    ],
)
def test_paths_that_lead_nowhere(value: dict[str, Any], path: str, message: str) -> None:
    written = document(**value)
    with pytest.raises(LookupError, match=message) as caught:
        written.put(written.locate(path.split(".")), 1, Place())
    assert len(caught.value.args) == 2, "a message and a remedy"


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4), st.integers())
def test_what_is_put_is_held(keys: list[str], value: int) -> None:
    written = Document({})
    path = ("data", *keys)
    assert not written.holds(path)
    written.put(path, value, FILE)
    assert written.holds(path)
    assert not written.holds((*path, "more"))


def test_a_value_without_a_place_stands_where_its_parent_does() -> None:
    written = Document({}, {(): FILE, ("data",): Place("r.yaml", 2, 1)})
    assert written.place(("data", "columns", "text")) == Place("r.yaml", 2, 1)
    assert written.place(("seed",)) == FILE
    assert Document({}).place(("seed",)) == Place()


def test_a_new_value_forgets_the_places_of_the_old_one() -> None:
    written = Document({"data": {"columns": {"text": "a"}}}, {("data", "columns", "text"): Place("r.yaml", 3, 3)})
    written.put(("data", "columns"), {"text": "b"}, Place("override"))
    assert written.place(("data", "columns", "text")) == Place("override")


def test_a_strategy_that_is_put_first_moves_the_places_of_the_others() -> None:
    written = Document({"strategies": ["ema"]}, {("strategies",): FILE, ("strategies", 0): Place("r.yaml", 5, 5)})
    written.prepend({"clip": {}}, Place("r.yaml", 9, 9))
    assert list(written.strategies()) == [(0, "clip"), (1, "ema")]
    assert [written.place(("strategies", index)).line for index in (0, 1)] == [9, 5]
    odd = Document({"strategies": 3})
    odd.prepend({"clip": {}}, FILE)
    assert odd.value["strategies"] == 3


def test_problems_are_raised_in_the_order_of_the_file() -> None:
    written = Document({}, {("b",): Place("r.yaml", 10, 1), ("a",): Place("r.yaml", 9, 4), ("c",): Place("r.yaml", 9, 12)})
    written.finish()
    for key in "bca":
        written.refuse((key,), key)
    with pytest.raises(InputError) as caught:
        written.finish()
    assert [problem.message for problem in caught.value.problems] == ["a", "c", "b"]
