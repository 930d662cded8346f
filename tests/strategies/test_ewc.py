"""EWC: Fisher information by hand, the penalty, and stages that follow one another."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Past
from tunesmith.data.encode import Encoded
from tunesmith.strategies.ewc import EWC, fisher, joined

ITEMS = [{"ids": [1, 2, 3], "label": 0, "row": 0}, {"ids": [4, 5, 6], "label": 2, "row": 1}, {"ids": [7, 8, 1], "label": 3, "row": 2}]


@pytest.fixture
def known(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose task makes batches of ``ITEMS``, which are its past."""

    def collate(features: list[dict[str, object]], tokenizer: object) -> Batch:
        ids, labels = (torch.tensor([feature[name] for feature in features]) for name in ("ids", "label"))
        return Batch({"ids": ids}, {"labels": labels}, torch.arange(len(features)), 3 * len(features))

    run.task = SimpleNamespace(objective=run.task.objective, collate=collate)  # type: ignore[assignment]
    monkeypatch.setattr("tunesmith.strategies.ewc.past_items", lambda spec, left, task, tokenizer: [ITEMS])
    return run


def test_fisher_is_the_mean_of_squared_gradients_of_each_row(known: Run) -> None:
    weights = dict(known.model.named_parameters())
    found = fisher(known, ITEMS, weights)
    known.model.eval()
    expected = torch.zeros_like(weights["classifier.weight"])
    for item in ITEMS:
        loss = F.cross_entropy(known.model(torch.tensor([item["ids"]])), torch.tensor([item["label"]]))
        (gradient,) = torch.autograd.grad(loss, weights["classifier.weight"])
        expected += gradient.square() / 3
    torch.testing.assert_close(found["classifier.weight"], expected)
    assert all(w.grad is None for w in weights.values())


def test_only_rows_that_importance_is_taken_from_are_decoded(known: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [Encoded([[{**ITEMS[row % 3], "input_ids": [part]} for row in range(10)]]) for part in range(2)]
    monkeypatch.setattr("tunesmith.strategies.ewc.past_items", lambda *_: parts)
    decoded, decode = [], Encoded.__getitem__
    monkeypatch.setattr(Encoded, "__getitem__", lambda self, index: decoded.append(index) or decode(self, index))
    EWC(past="x", num_rows=3).begin(known)
    assert decoded == [0, 6, 2]  # every sixth of twenty, of which the second ten are another part


def test_the_penalty_is_equation_3(known: Run, batch: Batch, objective: Callable[[Batch], Loss]) -> None:
    strategy = EWC(strength=7.0, past="x")
    strategy.begin(known)
    known.model.eval()
    plain = objective(batch)
    torch.testing.assert_close(strategy.loss(batch, known, lambda _: plain).sum, plain.sum)
    moved = torch.randn_like(known.model.classifier.weight)
    with torch.no_grad():
        known.model.classifier.weight.add_(moved)
    expected = 3.5 * (strategy.importance["classifier.weight"] * moved.square()).sum() * 5
    found = strategy.loss(batch, known, lambda _: plain)
    torch.testing.assert_close(found.sum, plain.sum + expected)
    torch.testing.assert_close(found.parts["ewc"], expected.detach())


def test_two_penalties_as_one_have_the_same_gradient() -> None:
    one, other, at, there = torch.rand(6), torch.rand(6), torch.randn(6), torch.randn(6)
    w = torch.randn(6)
    middle = joined(one, at, other, there)
    torch.testing.assert_close((one + other) * (w - middle), one * (w - at) + other * (w - there))
    assert joined(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.full((1,), 3.0)).item() == 3.0


@pytest.mark.parametrize("anchor", ["each", "latest"])
def test_the_importance_of_earlier_stages_is_added(known: Run, anchor: str) -> None:
    first, second = EWC(past="x"), EWC(past="x", anchor=anchor, decay=0.5)
    first.begin(known)
    name = "classifier.weight"
    start = known.model.classifier.weight.detach().clone()
    second.inherit(Past([ITEMS], first.memory()))
    with torch.no_grad():
        known.model.classifier.weight.add_(1.0)
    second.begin(known)
    alone = EWC(past="x")
    alone.begin(known)
    torch.testing.assert_close(second.importance[name], 0.5 * first.importance[name] + alone.importance[name])
    expected = joined(0.5 * first.importance[name], start, alone.importance[name], start + 1) if anchor == "each" else start + 1
    torch.testing.assert_close(second.held[name], expected)


def test_a_frozen_weight_keeps_its_importance_for_later(known: Run) -> None:
    first, second = EWC(past="x"), EWC(past="x")
    first.begin(known)
    second.inherit(Past([ITEMS], first.memory()))
    known.model.classifier.weight.requires_grad_(False)
    second.begin(known)
    assert torch.equal(second.importance["classifier.weight"], first.importance["classifier.weight"])


def test_a_past_of_fewer_rows_than_importance_is_taken_from_is_told(known: Run, said: list[str]) -> None:
    for num_rows in (3, 5000):
        EWC(past="x", num_rows=num_rows).begin(known)
    assert said == ["ewc: importance is taken from 5,000 rows, and the past has 3: all of them are seen"]


def test_the_first_stage_holds_nothing(run: Run, said: list[str], batch: Batch) -> None:
    strategy, loss = EWC(), Loss(torch.tensor(1.0), 1)
    strategy.inherit(Past())
    strategy.begin(run)
    assert strategy.loss(batch, run, lambda _: loss) is loss
    assert "no past in the first stage" in said[0]
