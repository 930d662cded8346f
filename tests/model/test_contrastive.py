"""Pooling and losses of comparison, by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
import torch.nn.functional as F
import transformers
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tunesmith.model.contrastive import POOLING, by_class, cosent, found_among, info_nce, pooled, sentences, squares

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


@pytest.mark.parametrize(
    ("config", "vector"),
    [
        (transformers.BertConfig(), [3.0, 4.0]),
        (transformers.ModernBertConfig(classifier_pooling="mean"), [2.0, 2.0]),
        (transformers.GPT2Config(), [1.0, 0.0]),
        (transformers.BartConfig(), [1.0, 0.0]),
    ],
    ids=["first", "mean", "last", "end"],
)
def test_the_head_reads_what_its_family_reads(config: transformers.PretrainedConfig, vector: list[float]) -> None:
    output = BaseModelOutputWithPooling(last_hidden_state=STATES[:1])
    inputs = {"input_ids": RIGHT[:1], "attention_mask": RIGHT[:1]}
    wanted = F.normalize(torch.tensor([vector]), dim=1)
    torch.testing.assert_close(sentences(output, inputs, config, "head"), wanted)
    torch.testing.assert_close(sentences(output, inputs, config, "mean"), F.normalize(torch.tensor([[2.0, 2.0]]), dim=1))


def test_a_pooler_comes_before_tokens_and_learned_vectors_are_left_out() -> None:
    output = BaseModelOutputWithPooling(last_hidden_state=STATES, pooler_output=torch.tensor([[0.0, 2.0], [3.0, 0.0]]))
    inputs = {"input_ids": RIGHT[:, :2]}  # the first position is a vector that was learned
    config = transformers.BertConfig()
    torch.testing.assert_close(sentences(output, inputs, config, "head"), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    torch.testing.assert_close(sentences(output, inputs, config, "mean")[1], F.normalize(torch.tensor([1.0, 2.0]), dim=0))


COSINES = torch.tensor([[0.5, 0.2, -0.4], [1.0, 0.0, 1.0]])
ALIKE = torch.tensor([[True, False, False], [True, False, True]])


def test_cosines_of_those_alike_are_to_be_1_and_of_the_others_0() -> None:
    torch.testing.assert_close(squares(COSINES, ALIKE, ~ALIKE), torch.tensor([(0.25 + (0.04 + 0.16) / 2) / 2, 0.0]))


def test_those_alike_are_to_be_found_among_the_others() -> None:
    shares = [exp(1.0) / (exp(1.0) + exp(0.4) + exp(-0.8)), exp(2.0) / (exp(2.0) + 1)]
    torch.testing.assert_close(found_among(COSINES, ALIKE, ~ALIKE, 0.5), torch.tensor([-log(share) for share in shares]))


def test_a_row_is_not_compared_with_itself() -> None:
    vectors = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    classes, cosines = torch.tensor([0, 1, 0]), vectors @ vectors.T
    expected = [((cosines[0, 2] - 1) ** 2 + cosines[0, 1] ** 2) / 2, (cosines[1, 0] ** 2 + cosines[1, 2] ** 2) / 4]
    torch.testing.assert_close(by_class(vectors, vectors, classes, None)[:2], torch.stack(expected))
