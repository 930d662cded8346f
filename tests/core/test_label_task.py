"""The answers of tasks that give labels: their form, when they are right, and how people see them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.label_task import LabelTask
from tunesmith.model.backbone import describe
from tunesmith.strategies.lora import LoRA


def task(kind: str) -> LabelTask:
    """A task that is only the form of its answers."""

    class Answers(LabelTask):
        def texts(self, rows: Any) -> list[str]:
            return [row["text"] for row in rows]

    Answers.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    answers: LabelTask = Answers()
    answers.kind, answers.labels, answers.threshold = kind, ["bad", "good", "odd"], 0.5
    return answers


TABLE = torch.tensor([[0.25, 0.5, 0.25], [0.75, 0.125, 0.625]])
SHARES = [{"bad": 0.25, "good": 0.5, "odd": 0.25}, {"bad": 0.75, "good": 0.125, "odd": 0.625}]
SINGLE = [{"label": "good", "probabilities": SHARES[0]}, {"label": "bad", "probabilities": SHARES[1]}]
MULTI = [{"labels": ["good"], "probabilities": SHARES[0]}, {"labels": ["bad", "odd"], "probabilities": SHARES[1]}]
VALUES = [{"value": 0.25}, {"value": 0.75}]


@pytest.mark.parametrize(("kind", "predictions"), [("single", SINGLE), ("multi", MULTI), ("regression", VALUES)])
def test_predictions_are_plain(kind: str, predictions: list[dict[str, Any]]) -> None:
    assert task(kind).predictions(TABLE if kind != "regression" else TABLE[:, :1]) == predictions


@pytest.mark.parametrize(("kind", "width"), [("single", 3), ("multi", 3), ("regression", 1)])
def test_predictions_give_their_table_back(kind: str, width: int) -> None:
    answers = task(kind)
    answers.labels = answers.labels[:width]
    table = TABLE[:, :width].double()
    assert torch.equal(answers.table(answers.predictions(table)), table)
    assert answers.table([]).shape == (0, width)


def test_an_open_threshold_is_the_middle_until_it_is_chosen_and_predictions_tell_what_was_given() -> None:
    answers = task("multi")
    answers.threshold = "auto"
    assert (answers.undecided, answers.given_from, task("single").undecided, answers.at(0.2).undecided) == (True, 0.5, False, False)
    assert answers.predictions(TABLE) == MULTI
    lower = answers.at(0.25).predictions(TABLE)
    assert lower[0]["labels"] == ["bad", "good", "odd"]
    given = answers.given(lower)
    assert given is not None
    assert given.tolist() == [[True, True, True], [True, False, True]]
    assert task("single").given(SINGLE) is None


def test_truths_are_tensors() -> None:
    assert torch.equal(task("single").targets([{"label": 2}, {"label": 0}]), torch.tensor([2, 0]))
    assert torch.equal(task("multi").targets([{"label": [2, 0]}, {"label": []}]), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    values = task("regression").targets([{"label": 0.1}], torch.float64)
    assert (values.dtype, values.item()) == (torch.float64, 0.1)


def test_without_names_that_say_something_no_label_is_asked_for() -> None:
    assert task("single").label_rows() == []


@pytest.mark.parametrize(
    ("kind", "predictions", "truths", "correct"),
    [
        ("single", SINGLE, [1, 2], [1.0, 0.0]),
        ("multi", MULTI, [[1], [2, 0]], [1.0, 1.0]),  # the order of a truth does not matter
        ("multi", MULTI, [[1, 2], [0]], [2 / 3, 2 / 3]),  # one of two, and one too many
        ("multi", [{"labels": []}, {"labels": []}], [[], [0]], [1.0, 0.0]),
        ("regression", VALUES, [0.25, 0.25], [0.0, -0.25]),
    ],
)
def test_what_is_correct(kind: str, predictions: list[dict[str, Any]], truths: list[Any], correct: list[float]) -> None:
    assert task(kind).correct(predictions, [{"text": "a", "label": truth} for truth in truths]) == correct


@pytest.mark.parametrize(
    ("kind", "prediction", "truth", "shown"),
    [
        ("single", SINGLE[0], 2, {"predicted": "good", "truth": "odd", "confidence": 0.5}),
        ("multi", MULTI[1], [2, 0], {"predicted": ["bad", "odd"], "truth": ["bad", "odd"]}),
        ("regression", VALUES[0], 0.5, {"predicted": 0.25, "truth": 0.5}),
    ],
)
def test_a_row_is_shown_to_people(kind: str, prediction: dict[str, Any], truth: Any, shown: dict[str, Any]) -> None:
    assert task(kind).shown({"text": "a film", "label": truth}, prediction) == {"text": "a film", **shown}


def test_a_row_without_its_truth_is_shown_as_well() -> None:
    assert task("single").shown({"text": "a film"}, SINGLE[0]) == {"text": "a film", "predicted": "good", "confidence": 0.5}


@pytest.mark.parametrize("adapted", [False, True])
def test_a_new_head_of_several_labels_begins_at_how_frequent_each_is(adapted: bool) -> None:
    module: Any = tiny.bert(num_labels=3)
    before = {name for name, _ in module.named_parameters()}
    if adapted:
        module = LoRA().adapt(module)
    run: Any = SimpleNamespace(model=module, train=[{"label": [0]}, {"label": [0, 2]}, {"label": []}])
    for kind, fresh in (("single", {"classifier.bias"}), ("multi", set[str]())):
        run.params = describe(module, before, fresh)
        task(kind).start(run)
        assert not any(weight.any() for name, weight in module.named_parameters() if "classifier" in name and name.endswith("bias"))
    run.params = describe(module, before, {"classifier.bias"})
    task("multi").start(run)
    found = [weight for name, weight in module.named_parameters() if "classifier" in name and name.endswith("bias")]
    assert found
    for bias in found:
        torch.testing.assert_close(bias.sigmoid().detach(), torch.tensor([2.5, 0.5, 1.5]) / 4)
