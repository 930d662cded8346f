"""Pooling and losses of comparison, by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
import torch.nn.functional as F

from tunesmith.model.contrastive import POOLING, cosent, info_nce, pooled

STATES = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [9.0, 9.0]], [[0.0, 2.0], [2.0, 0.0], [0.0, 4.0]]])
RIGHT = torch.tensor([[1, 1, 0], [1, 1, 1]])  # padded on the right, and on the left
LEFT = torch.tensor([[0, 1, 1], [1, 1, 1]])


@pytest.mark.parametrize(
    ("how", "mask", "vectors"),
    [
        ("mean", RIGHT, [[2.0, 2.0], [2 / 3, 2.0]]),
        ("mean", LEFT, [[5.0, 4.5], [2 / 3, 2.0]]),
        ("cls", RIGHT, [[3.0, 4.0], [0.0, 2.0]]),
        ("cls", LEFT, [[1.0, 0.0], [0.0, 2.0]]),
        ("last", RIGHT, [[1.0, 0.0], [0.0, 4.0]]),
        ("last", LEFT, [[9.0, 9.0], [0.0, 4.0]]),
    ],
)
def test_pooling_looks_at_real_positions_alone(how: str, mask: torch.Tensor, vectors: list[list[float]]) -> None:
    assert torch.allclose(POOLING[how](STATES, mask), torch.tensor(vectors))
    assert torch.allclose(pooled(STATES, mask, how), F.normalize(torch.tensor(vectors), dim=1))


@pytest.mark.parametrize("how", POOLING)
def test_without_a_mask_all_positions_are_real(how: str) -> None:
    assert torch.equal(pooled(STATES, None, how), pooled(STATES, torch.ones(2, 3), how))


def test_a_text_without_a_token_is_a_vector_of_zeros() -> None:
    assert pooled(torch.zeros(1, 2, 3), torch.zeros(1, 2), "mean").tolist() == [[0.0, 0.0, 0.0]]


def test_info_nce_by_hand() -> None:
    anchors, candidates = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]])
    barred = torch.tensor([[False, False, True]])
    expected = -log(exp(0.6 / 0.5) / (exp(0.6 / 0.5) + exp(0.0)))
    assert info_nce(anchors, candidates, torch.tensor([0]), barred, 0.5).tolist() == pytest.approx([expected])


def test_info_nce_without_negatives_is_zero() -> None:
    found = info_nce(torch.eye(2), torch.eye(2), torch.arange(2), ~torch.eye(2, dtype=torch.bool), 0.05)
    assert found.tolist() == [0.0, 0.0]


def test_cosent_by_hand() -> None:
    """Of the three pairs of rows two have different scores."""
    cosines, scores = torch.tensor([0.9, 0.2, 0.5]), torch.tensor([1.0, 1.0, 3.0])
    expected = log(1 + exp((0.9 - 0.5) / 0.1) + exp((0.2 - 0.5) / 0.1))
    assert float(cosent(cosines, scores, 0.1)) == pytest.approx(expected, rel=1e-5)
    assert float(cosent(cosines, torch.ones(3), 0.1)) == 0.0
