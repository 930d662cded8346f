"""The cross-entropy of tokens, whole and in parts."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tunesmith.model.token_loss import token_losses


def test_parts_have_the_losses_and_the_gradient_of_the_whole() -> None:
    scores, targets = torch.randn(7, 11), torch.randint(11, (7,))
    whole, parts = (scores.clone().requires_grad_() for _ in range(2))
    expected = F.cross_entropy(whole, targets, reduction="none")
    found = token_losses(parts, targets, chunk=25)
    assert torch.equal(found, expected)
    weights = torch.rand(7)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert torch.allclose(parts.grad, whole.grad)
    assert torch.equal(token_losses(scores, targets), token_losses(scores, targets, chunk=1))


def test_no_tokens_have_no_losses() -> None:
    assert token_losses(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64)).shape == (0,)


def test_probabilities_are_not_kept() -> None:
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
        token_losses(torch.randn(64, 50, requires_grad=True), torch.randint(50, (64,)), chunk=400)
    assert max(kept, default=0) <= 400
