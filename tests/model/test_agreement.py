"""Rows by how their gradients agree, against the formula of logistic regression."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.model.agreement import agreement, direction, learning

FEATURES = torch.tensor([[1.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.0, 0.0], [-2.0, 1.0]])
LABELS = [0, 1, 1, 0, 0]


class Logistic(nn.Module):
    """Logits (rows, 2) of features (rows, 2): a head without anything below, and one weight that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(2, 2, bias=False)
        self.unread = nn.Linear(1, 1)
        self.classifier.weight.data = torch.tensor([[0.3, -0.2], [0.1, 0.4]])

    def forward(self, features: Tensor) -> Tensor:
        return self.classifier(features)


class Classes:
    """As much of a task as a gradient needs."""

    def collate(self, items: list[dict[str, Any]], tokenizer: Any) -> Batch:
        features = torch.tensor([item["features"] for item in items])
        return Batch({"features": features}, {"labels": torch.tensor([item["label"] for item in items])}, torch.zeros(len(items)), 1)

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        return Loss(nn.functional.cross_entropy(forward(batch), batch.targets["labels"], reduction="sum"), len(batch.targets["labels"]))


def items(*rows: int, owners: list[int] | None = None) -> list[dict[str, Any]]:
    return [
        {"features": FEATURES[row].tolist(), "label": LABELS[row], "row": place if owners is None else owners[place]}
        for place, row in enumerate(rows)
    ]


def gradient_of(row: int) -> Tensor:
    """(p - y) x^T, by hand."""
    weight = Logistic().classifier.weight.data
    error = (FEATURES[row] @ weight.T).softmax(dim=0) - torch.eye(2)[LABELS[row]]
    return torch.outer(error, FEATURES[row]).flatten()


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()))


def found(given: list[dict[str, Any]], target: list[dict[str, Any]]) -> list[float]:
    return agreement(given, target, Classes(), Forward(Logistic()), None)  # type: ignore[arg-type]


def test_it_is_the_cosine_with_the_mean_gradient_of_the_target() -> None:
    aim = (gradient_of(0) + gradient_of(1)) / 2
    assert found(items(0, 1, 2, 4), items(0, 1)) == pytest.approx([cosine(gradient_of(row), aim) for row in (0, 1, 2, 4)], abs=1e-6)
    assert found(items(0, 2), items(0)) == pytest.approx([1, -1], abs=1e-6)  # the same text with the other label pulls the other way


def test_a_row_without_a_gradient_agrees_with_nothing() -> None:
    assert found(items(3), items(0)) == [0]


def test_the_parts_of_a_row_count_together() -> None:
    together = gradient_of(0) + gradient_of(4)
    assert found(items(0, 4, 1, owners=[0, 0, 1]), items(1)) == pytest.approx([cosine(together, gradient_of(1)), 1], abs=1e-6)


def test_the_last_layer_and_the_head_have_gradients_and_then_all_is_as_before() -> None:
    module = tiny.bert(num_labels=2)
    module.classifier.bias.requires_grad_(False)
    with learning(module) as weights:
        names = [name for name, weight in module.named_parameters() if weight.requires_grad]
        assert len(weights) == len(names)
        assert {name.partition("layer.")[2][:2] or name.split(".")[-2] for name in names} == {"2.", "dense", "classifier"}
    assert [name for name, weight in module.named_parameters() if not weight.requires_grad] == ["classifier.bias"]
    assert direction(torch.zeros(3)).tolist() == [0, 0, 0]
