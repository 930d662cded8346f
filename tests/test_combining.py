"""Predictions of several models as one, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.combining import agreement, check, combine, form_of, greedy_weights, log_loss, mean, shares, telling
from tunesmith.core.errors import InputError
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.multiple_choice import MultipleChoice
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tasks.token_classification import TokenClassification

SURE = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.45, 0.55]]])  # three members, one row, two labels


def single(*tables: Any) -> tuple[TextClassification, list[list[dict[str, Any]]]]:
    task = TextClassification(kind="single", labels=["bad", "good"])
    return task, [task.predictions(np_tensor(table)) for table in tables]


def np_tensor(table: Any) -> Any:
    import torch

    return torch.tensor(table, dtype=torch.float64)


def test_votes_and_means_may_differ() -> None:
    task, members = single(*SURE)
    rows: list[dict[str, Any]] = [{"text": "a", "label": 0}]
    [voted] = combine(task, "vote", (), members, rows)
    [averaged] = combine(task, "average", (1 / 3,) * 3, members, rows)
    assert voted["label"] == "good"  # two of three
    assert voted["probabilities"]["good"] == pytest.approx(2 / 3, abs=1e-5)
    assert averaged["label"] == "bad"  # 0.583 of 1
    assert averaged["probabilities"]["bad"] == pytest.approx((0.9 + 0.4 + 0.45) / 3)
    assert combine(task, "average", (0.0, 1.0, 0.0), members, rows)[0]["probabilities"]["good"] == pytest.approx(0.6)
    assert combine(task, "vote", (), [[], []], []) == []


def test_where_votes_are_equal_the_surer_wins() -> None:
    table = shares(np.array([[[0.9, 0.1]], [[0.4, 0.6]]]))
    assert table[0, 0] > table[0, 1]
    assert table.sum() == pytest.approx(1)


def test_several_labels_and_values() -> None:
    multi = TextClassification(kind="multi", labels=["a", "b"], threshold=0.4)
    members = [multi.predictions(np_tensor([row])) for row in ([0.5, 0.1], [0.45, 0.9], [0.1, 0.2])]
    [voted] = combine(multi, "vote", (), members, [{"text": "x", "label": [0]}])
    assert voted["labels"] == ["a"]  # two of three give a, one gives b
    value = TextClassification(kind="regression", labels=["score"])
    values = [value.predictions(np_tensor([[number]])) for number in (1.0, 2.0, 6.0)]
    assert combine(value, "average", (1 / 3,) * 3, values, [{"text": "x", "label": 1.0}]) == [{"value": pytest.approx(3.0)}]
    with pytest.raises(InputError, match="values are not voted on"):
        check(value, "vote", "a")


def test_choices_of_different_number() -> None:
    rows = [{"question": "?", "choices": ["x", "y"], "answer": 1}, {"question": "?", "choices": ["x", "y", "z"], "answer": 2}]
    members = [[{"probabilities": [0.6, 0.4], "index": 0}, {"probabilities": [0.5, 0.2, 0.3], "index": 0}]]
    members += [[{"probabilities": [0.1, 0.9], "index": 1}, {"probabilities": [0.1, 0.2, 0.7], "index": 2}]]
    task = MultipleChoice()
    found = combine(task, "average", (0.5, 0.5), members, rows)
    assert [one["choice"] for one in found] == ["y", "z"]
    assert found[1]["probabilities"] == pytest.approx([0.3, 0.2, 0.5])
    form = form_of(task)
    assert form is not None
    assert form.loss(form.table(found, rows), rows) == pytest.approx(-(np.log(0.65) + np.log(0.5)) / 2)
    assert agreement(task, members, rows) == [[1, 0], [0, 1]]


def test_tags_are_voted_on_and_stay_valid() -> None:
    task, rows = TokenClassification.example()
    task.learn(rows)
    row = task.read(rows[0])

    def tagged(*tags: str) -> dict[str, Any]:
        return {"tags": list(tags), "confidences": [0.9] * len(tags)}

    right = ["O", "O", "O", "B-PLACE", "O", "O"]
    members = [[tagged(*right)], [tagged(*right)], [tagged("O", "B-WHO", "O", "O", "O", "O")]]
    [found] = combine(task, "vote", (), members, [row])
    assert found["tags"] == right
    assert [entity["label"] for entity in found["entities"]] == ["PLACE"]
    assert found["confidences"][3] == pytest.approx(2 / 3, abs=1e-5)
    assert agreement(task, members, [row])[0] == [1, 1, 0]
    broken = [tagged("O", "I-WHO", "O", "O", "O", "O")]
    [mended] = combine(task, "vote", (), [broken, broken], [row])
    assert mended["tags"][1] != "I-WHO"  # no entity begins so
    with pytest.raises(InputError, match="the answers of this task cannot be combined"):
        check(Chat(), "vote", "a")


def test_probabilities_of_tags_are_averaged_by_name_and_stay_valid() -> None:
    task, rows = (
        TokenClassification(scheme="bio", labels=["O", "B-X", "I-X"]),
        [{"text": "a b", "starts": [0, 2], "ends": [1, 3], "tags": [1, 2]}],
    )
    check(task, "average", "a")

    def told(*chances: tuple[float, float, float]) -> list[dict[str, Any]]:
        asked = telling(TokenClassification(scheme="bio", labels=["I-X", "O", "B-X"]), "average")
        scores = np.log(np.array(chances)[:, [2, 0, 1]])
        return [asked.merge([{**rows[0], "places": [0, 1], "scores": scores}])]

    members = [told((0.3, 0.6, 0.1), (0.7, 0.1, 0.2)), told((0.5, 0.3, 0.2), (0.1, 0.1, 0.8))]
    assert members[0][0]["probabilities"] == {
        "I-X": pytest.approx([0.1, 0.2]),
        "O": pytest.approx([0.3, 0.7]),
        "B-X": pytest.approx([0.6, 0.1]),
    }
    [found] = combine(task, "average", (0.5, 0.5), members, rows)
    assert found["tags"] == ["B-X", "I-X"]
    assert found["confidences"] == pytest.approx([0.45, 0.5])
    assert "probabilities" not in found
    [found] = combine(task, "average", (0.0, 1.0), members, rows)
    assert found["tags"] == ["B-X", "I-X"], "of (O, I-X), which is likelier, no entity begins so"
    form = form_of(task)
    assert form is not None
    assert form.loss(form.table(members[0], rows), rows) == pytest.approx(-(np.log(0.6) + np.log(0.2)) / 2)
    assert telling(task, "vote") is task


def test_weights_go_to_who_helps() -> None:
    truth = np.array([0, 1, 0, 1])
    good, wrong = np.eye(2)[truth] * 0.8 + 0.1, np.eye(2)[1 - truth] * 0.8 + 0.1
    assert greedy_weights(np.stack([wrong, good]), lambda table: log_loss(table, truth)) == [0, 1]
    half = [np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1], [0.6, 0.4]]), np.array([[0.4, 0.6], [0.1, 0.9], [0.4, 0.6], [0.1, 0.9]])]
    weights = greedy_weights(np.stack(half), lambda table: log_loss(table, truth))
    assert sum(weights) == pytest.approx(1)
    assert weights == pytest.approx([0.5, 0.5], abs=0.05)  # each is right where the other is not
    assert log_loss(mean(np.stack(half), weights), truth) < min(log_loss(one, truth) for one in half)


def test_agreement_of_values_is_their_correlation() -> None:
    task = TextClassification(kind="regression", labels=["score"])
    members = [
        task.predictions(np_tensor([[v] for v in values])) for values in ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0], [1.0] * 3)
    ]
    found = agreement(task, members, [{"text": "x"}] * 3)
    assert found[0] == pytest.approx([1, 1, -1, 0])
