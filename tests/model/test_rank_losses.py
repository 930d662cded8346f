"""Losses of rankings by hand, with rows that have fewer texts beside them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tunesmith.model.rank_losses import LISTWISE, POINTWISE, listnet, ranknet, softmax

SCORES = torch.tensor([[1.0, -0.5, 2.0]])
RELEVANCES = torch.tensor([[2.0, 0.0, 1.0]])
ALL = torch.ones(1, 3, dtype=torch.bool)


def test_ranknet_is_the_mean_over_pairs() -> None:
    pairs = torch.tensor([-0.5 - 1.0, 2.0 - 1.0, -0.5 - 2.0])  # s_j - s_i where i is more relevant: (0, 1), (0, 2), (2, 1)
    assert ranknet(SCORES, RELEVANCES, ALL) == pytest.approx(float(F.softplus(pairs).mean()))


def test_listnet_compares_two_softmaxes() -> None:
    expected = -(RELEVANCES.softmax(1) * SCORES.log_softmax(1)).sum()
    assert listnet(SCORES, RELEVANCES, ALL) == pytest.approx(float(expected))


def test_softmax_takes_shares_of_the_relevance() -> None:
    expected = -(torch.tensor([2 / 3, 0.0, 1 / 3]) * SCORES.log_softmax(1)).sum()
    assert softmax(SCORES, RELEVANCES, ALL) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", LISTWISE)
def test_texts_that_are_not_there_change_nothing(name: str) -> None:
    scores = torch.cat([SCORES, torch.tensor([[7.0]])], 1).requires_grad_()
    there = torch.tensor([[True, True, True, False]])
    found = LISTWISE[name](scores, torch.cat([RELEVANCES, torch.tensor([[3.0]])], 1), there)
    assert float(found.detach()) == pytest.approx(float(LISTWISE[name](SCORES, RELEVANCES, ALL)))
    found.sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert scores.grad[0, 3] == 0


@pytest.mark.parametrize("name", ["ranknet", "softmax"])
def test_where_nothing_is_relevant_nothing_is_learned(name: str) -> None:
    assert float(LISTWISE[name](SCORES, torch.zeros(1, 3), ALL)) == 0.0


def test_pointwise_losses_are_sums() -> None:
    scores, relevances = SCORES[0], torch.tensor([1.0, 0.0, 0.5])
    assert POINTWISE["mse"](scores, relevances) == pytest.approx(0.0 + 0.25 + 2.25)
    expected = sum(-(r * F.logsigmoid(s) + (1 - r) * F.logsigmoid(-s)) for s, r in zip(scores, relevances, strict=True))
    assert POINTWISE["bce"](scores, relevances) == pytest.approx(float(expected))
