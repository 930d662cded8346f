"""Losses of pairs against the formulas of their papers, as trl publishes them, and the likelihoods of answers by hand."""

from __future__ import annotations

import math

import pytest
import torch

import tiny
from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.data.branches import pad_ends
from tunesmith.data.sequences import joined
from tunesmith.model.preference_losses import (
    BESIDE_BASE,
    BETAS,
    PREFERENCE_LOSSES,
    SUMMED,
    answer_scores,
    dpo,
    gaps,
    ipo,
    orpo,
    preference_losses,
    simpo,
)

SCORES = torch.tensor([[-10.0, -12.0]])
BEFORE = torch.tensor([-11.0 + 11.5])


def test_dpo_is_the_logistic_loss_of_what_was_gained_on_the_base() -> None:
    gained = (-10.0 - -11.0) - (-12.0 - -11.5)  # chosen and rejected, each beside the base: 1.5
    assert float(dpo(SCORES, BEFORE, 0.1, 0.0)) == pytest.approx(math.log(1 + math.exp(-0.1 * gained)), rel=1e-6)
    assert float(dpo(SCORES, BEFORE, 0.1, 0.0)) == pytest.approx(0.620957, abs=1e-6)
    assert float(dpo(SCORES, gaps(SCORES), 0.1, 0.0)) == pytest.approx(math.log(2)), "of the base itself"


def test_ipo_wants_a_certain_gap_and_no_more() -> None:
    assert float(ipo(SCORES, BEFORE, 0.1, 0.0)) == pytest.approx((1.5 - 5.0) ** 2)
    assert float(ipo(SCORES, gaps(SCORES) - 5.0, 0.1, 0.0)) == pytest.approx(0.0)


def test_orpo_learns_the_chosen_answer_and_compares_odds() -> None:
    scores = torch.tensor([[-0.5, -1.0]])
    odds = [math.exp(score) / (1 - math.exp(score)) for score in (-0.5, -1.0)]
    expected = 0.5 + 0.1 * math.log(1 + odds[1] / odds[0])
    assert float(orpo(scores, BEFORE, 0.1, 0.0)) == pytest.approx(expected, rel=1e-5)
    certain = torch.tensor([[0.0, -1.0]], requires_grad=True)
    orpo(certain, BEFORE, 0.1, 0.0).sum().backward()  # type: ignore[no-untyped-call]
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


def test_simpo_compares_likelihoods_per_token_beyond_a_margin() -> None:
    scores = torch.tensor([[-0.5, -1.0]])
    assert float(simpo(scores, BEFORE, 2.0, 0.3)) == pytest.approx(math.log(1 + math.exp(-(2.0 * 0.5 - 0.3))))


def test_every_loss_falls_with_the_gap() -> None:
    assert PREFERENCE_LOSSES.keys() == BETAS.keys() >= {*BESIDE_BASE, *SUMMED}
    for name, loss in PREFERENCE_LOSSES.items():
        near, far = (loss(torch.tensor([[-1.0, -1.0 - gap]]), torch.zeros(1), BETAS[name], 1.0) for gap in (0.1, 1.0))
        assert far < near, name


@pytest.mark.parametrize("shared", [True, False])
def test_scores_are_those_of_each_answer_behind_the_prompt(shared: bool) -> None:
    import transformers

    torch.manual_seed(0)
    module = transformers.LlamaForCausalLM(tiny.configs["llama"]()).eval()
    prompts, answers = [[5, 6, 7, 8, 9, 10, 11], [12, 13, 14, 15]], [[[16, 17], [18]], [[19], [20, 21]]]
    items = [
        joined([{"input_ids": [*prompt, *end], "length": len(prompt) + len(end), "truncated": 0} for end in of]) | {"prompt": len(prompt)}
        for prompt, of in zip(prompts, answers, strict=True)
    ]
    inputs, targets, tokens = pad_ends(items, 0, shared)
    batch = Batch(inputs, targets, torch.arange(2), tokens)
    with torch.no_grad():
        summed, means = (answer_scores(batch, Forward(module), per_token) for per_token in (False, True))
        for row, (prompt, of) in enumerate(zip(prompts, answers, strict=True)):
            for side, end in enumerate(of):
                ids = torch.tensor([[*prompt, *end]])
                found = module(ids).logits[0].log_softmax(dim=-1)
                expected = sum(float(found[len(prompt) - 1 + place, token]) for place, token in enumerate(end))
                assert float(summed[row, side]) == pytest.approx(expected, rel=1e-4)
                assert float(means[row, side]) == pytest.approx(expected / len(end), rel=1e-4)


def test_pairs_that_the_base_has_not_seen_are_refused() -> None:
    batch = Batch({}, {"before": torch.tensor([0.0, torch.nan])}, torch.arange(2), 0)
    with pytest.raises(InputError, match=r"dpo compares pairs.*set task\.loss: simpo or orpo"):
        preference_losses(batch, Forward(torch.nn.Identity()), "dpo", 0.1, 0.0)
