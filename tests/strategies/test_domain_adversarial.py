"""Domain-adversarial training: both gradients of the saddle point, and a classifier that learns but is not saved."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.strategies.domain_adversarial import CLASSIFIER, DomainAdversarial, domain_loss


def test_the_judge_gets_better_and_the_features_worse() -> None:
    judge = nn.Linear(3, 1)
    source, target = torch.randn(4, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    loss = domain_loss(judge, source, target, 0.25)
    expected = F.binary_cross_entropy(judge(torch.cat([source, target])).sigmoid()[:, 0], torch.tensor([0.0] * 4 + [1.0] * 2))
    torch.testing.assert_close(loss, expected)
    for wanted, found, sign in (
        (torch.autograd.grad(expected, judge.weight)[0], torch.autograd.grad(loss, judge.weight, retain_graph=True)[0], 1.0),
        (torch.autograd.grad(judge_loss(judge, source, target), source)[0], torch.autograd.grad(loss, source)[0], -0.25),
    ):
        torch.testing.assert_close(found, sign * wanted)


def judge_loss(judge: nn.Module, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    logits = judge(torch.cat([source, target]))[:, 0]
    return F.binary_cross_entropy_with_logits(logits, torch.tensor([0.0] * 4 + [1.0] * 2))


def test_the_classifier_learns_and_is_not_saved() -> None:
    strategy = DomainAdversarial.example()
    fitted = tiny_fit(None, [strategy], steps=3)
    assert any(name.startswith(CLASSIFIER) for name in fitted.run.touched)
    assert not any(CLASSIFIER in name for name in fitted.run.model.state_dict())


def test_without_a_target_it_is_refused() -> None:
    with pytest.raises(InputError, match="domain_adversarial: there are no rows without labels"):
        tiny_fit(None, [DomainAdversarial()], steps=1)
