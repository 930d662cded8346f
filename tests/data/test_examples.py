"""Rows for a task that is trained already."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import RowError
from tunesmith.data.examples import read_examples, read_roles
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.text_classification import TextClassification

ROWS = [{"review": "fine", "stars": 5}, {"review": "dull", "stars": 1}]


def test_labels_may_be_absent_or_empty_when_predicting(task) -> None:
    task.labels = ["1", "5"]
    assert list(read_examples(["fine", "dull"], task, truth=False)[0]) == [{"text": "fine"}, {"text": "dull"}]
    with pytest.raises(InputError, match="no column is known as the label"):
        read_examples(["fine", "dull"], task)


def test_truths_that_the_task_cannot_read_are_left_out_when_predicting(task) -> None:
    task.labels = ["good", "bad"]
    found, bad = read_examples(ROWS, task, truth=False)
    assert (list(found), list(found.unread), bad) == ([{"text": "fine"}, {"text": "dull"}], ["stars"], [])
    task.labels = ["1", "5"]
    found, _ = read_examples(ROWS, task, truth=False)
    assert (found[0], list(found.unread)) == ({"text": "fine", "label": 1}, [])
    with pytest.raises(InputError, match="<rows>:1 review"):
        read_examples([{"review": " ", "stars": "x"}], task, truth=False)


def test_examples_are_read_one_by_one_or_in_order(task) -> None:
    task.labels = ["1", "5"]
    examples, bad = read_examples(ROWS, task)
    assert list(examples) == [examples[0], examples[1]] == [{"text": "fine", "label": 1}, {"text": "dull", "label": 0}]
    assert examples[1:][0] == examples.select(np.array([1]))[0] == examples[1]
    assert examples.raw(0) == {"text": "fine", "label": 5}
    assert examples.place(1) == ("<rows>", 2)
    assert not bad


def test_names_of_labels_reach_into_lists(task) -> None:
    task.labels = ["low", "['low', 'high']"]
    examples, _ = read_examples([{"text": "a", "label": 1.0}, {"text": "b", "label": [1, 5]}], task, labels={1: "low", 5: "high"})
    assert examples.rows.column("label") == ["low", ["low", "high"]]


def test_what_rows_are_called_is_kept_when_predicting(task) -> None:
    rows = [{"id": "a", "text": "fine"}, {"id": "b", "text": "dull"}]
    found, _ = read_examples(rows, task, {"id": "id"}, truth=False)
    assert (found.rows.column("id"), list(found)) == (["a", "b"], [{"text": "fine"}, {"text": "dull"}])
    assert read_examples(["fine"], task, {"id": "id"}, truth=False)[0].rows.columns == ["text"]
    task.labels = ["1", "5"]
    with pytest.raises(InputError, match="'id' is not a column of this task"):
        read_examples(ROWS, task, {"id": "review"})


def test_rows_without_any_known_column_are_refused() -> None:
    with pytest.raises(InputError, match=r"known to the task\. The columns are id, said\. Name one .* does: messages, "):
        read_examples([{"id": 1, "said": "hello"}], Chat(), {"id": "id"}, truth=False)


def test_bad_rows_stop_or_are_returned(task) -> None:
    task.labels = ["1", "5"]
    rows = [*ROWS, {"review": " ", "stars": 1}, {"review": 7, "stars": 1}, {"review": "well", "stars": float("nan")}]
    with pytest.raises(InputError) as caught:
        read_examples(rows, task)
    examples, bad = read_examples(rows, task, skip_bad=True)
    assert len(examples) == 2
    assert caught.value.problems == bad
    assert [(problem.line, problem.column) for problem in bad] == [(3, "review"), (4, "review"), (5, "stars")]
    with pytest.raises(InputError):
        read_examples(rows[2:], task, skip_bad=True)


def test_a_row_that_teaches_nothing_can_be_asked(task, monkeypatch) -> None:
    def teaches(row) -> None:
        if row["text"] == "dull":
            raise RowError("there is nothing to learn", "Leave it out", "text")

    monkeypatch.setattr(task, "teaches", teaches)
    task.labels = ["1", "5"]
    assert len(read_examples(ROWS, task, truth=False)[0]) == 2
    with pytest.raises(InputError, match="<rows>:2 review: there is nothing to learn"):
        read_examples(ROWS, task)


@pytest.mark.parametrize(("kind", "remedy"), [("multi", "Write [] for no label"), ("single", "Fill it")])
def test_an_empty_cell_of_labels_may_mean_that_there_are_none(kind: str, remedy: str) -> None:
    rows = [{"text": "a", "label": ""}, {"text": "b", "label": "x"}]
    _, _, (problem,) = read_roles(rows, TextClassification(kind=kind), None)
    assert problem.remedy == f"{remedy}, or leave the row out"


def test_lists_in_other_cells_say_that_there_may_be_none() -> None:
    rows = [{"text": "a", "label": None}, {"text": "b", "label": ["x", "y"]}]
    _, _, (problem,) = read_roles(rows, TextClassification(), None)
    assert problem.remedy == "Write [] for no label, or leave the row out"
