"""Scores of labels by hand: words of one token and of several, and what is taken off."""

from __future__ import annotations

from math import log

import pytest
import torch

from tunesmith.model.zero_shot import chances, cloze_scores, content_free, entailing

# probabilities of 4 tokens at the masks of two rows: one mask, then two
ONE = [[0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.4, 0.4]]
TWO = [[[0.5, 0.25, 0.125, 0.125], [0.1, 0.2, 0.3, 0.4]], [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]]]


def test_words_of_several_tokens_are_read_at_as_many_masks() -> None:
    masks = torch.tensor([table for row in range(2) for table in (ONE[row], *TWO[row])]).log()
    found = cloze_scores(masks + torch.randn(6, 1), [[1], [0, 3], [2]])  # logits: any number may be added to a position
    expected = [
        [log(0.3), (log(0.5) + log(0.4)) / 2, log(0.2)],
        [log(0.1), (log(0.25) + log(0.1)) / 2, log(0.4)],
    ]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_single_tokens_are_compared_as_in_the_paper() -> None:
    logits = torch.randn(3, 4)
    found = chances(cloze_scores(logits, [[2], [0]]))
    torch.testing.assert_close(found, logits[:, [2, 0]].softmax(dim=1))  # equation of section 3.1: softmax over the words' logits


def test_what_is_said_of_nothing_is_taken_off() -> None:
    free = content_free(torch.tensor([[0.6, 0.4], [0.8, 0.2]]).log() + 3)
    torch.testing.assert_close(free.exp(), torch.tensor([0.7, 0.3]))
    found = chances(torch.tensor([[0.7, 0.3], [0.35, 0.3]]).log(), free)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5], [1 / 3, 2 / 3]]))


@pytest.mark.parametrize(
    ("labels", "number"),
    [({"0": "CONTRADICTION", "2": "ENTAILMENT"}, 2), ({0: "entailment", 1: "not_entailment"}, 0), ({"0": "good"}, None), ({}, None)],
)
def test_the_label_of_entailment(labels: dict[object, str], number: int | None) -> None:
    assert entailing(labels) == number
