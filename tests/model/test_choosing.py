"""How tokens are chosen, row by row."""

from __future__ import annotations

import pytest
import torch

import tiny
from tunesmith.model.choosing import Draw, OfTheAnswer, processors, stopping
from tunesmith.model.decoding import Decoding


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    draw = Draw(range(2000), written_from=1, limit=1)
    scores = torch.tensor([0.5, 0.3, 0.0, 0.2]).log().expand(2000, 4)
    chosen = draw(torch.zeros(2000, 1, dtype=torch.int64), scores).argmax(dim=1)
    shares = torch.bincount(chosen, minlength=4) / 2000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.0, 0.2], abs=0.03)


def test_a_row_draws_the_same_beside_any_other() -> None:
    scores = torch.randn(3, 50)
    decoding = Decoding(temperature=1.0)
    together = processors(decoding, [7, 8, 9], 1, 4)(torch.zeros(3, 2, dtype=torch.int64), scores)
    alone = processors(decoding, [8], 1, 4)(torch.zeros(1, 2, dtype=torch.int64), scores[1:2])
    assert torch.equal(together[1:2], alone)


def test_few_or_likely_tokens_alone_are_drawn_from() -> None:
    scores = torch.tensor([[0.6, 0.25, 0.1, 0.05]]).log()
    for decoding in (Decoding(temperature=1.0, top_k=1), Decoding(temperature=1.0, top_p=0.5)):
        found = {int(processors(decoding, [row], 1, 1)(torch.zeros(1, 1, dtype=torch.int64), scores).argmax()) for row in range(50)}
        assert found == {0}


def test_greedy_decoding_changes_nothing() -> None:
    assert len(processors(Decoding(), [0], 1, 4)) == 0


def test_a_processor_is_shown_the_answer_alone() -> None:
    seen = OfTheAnswer(lambda ids, scores: ids, 2)(torch.tensor([[1, 2, 3, 4]]), torch.zeros(1))
    assert seen.tolist() == [[3, 4]]


def test_stop_texts_are_looked_for_in_each_answer() -> None:
    tokenizer = tiny.tokenizer()
    ids = torch.tensor(
        [
            tokenizer("the end yes . good", add_special_tokens=False).input_ids,
            tokenizer("the cat . the yes", add_special_tokens=False).input_ids,
        ]
    )
    stop = stopping(tokenizer, ("yes .",), 2)
    assert stop(ids, None).tolist() == [True, False]
    assert len(stopping(tokenizer, (), 2)) == 0
