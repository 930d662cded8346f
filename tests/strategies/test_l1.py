"""L1: its gradient is strength * sign(w), on weights and on neither biases nor norms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.strategies.l1 import L1, absolute_size

Inner = Callable[[Batch], Loss]


def gradients(run: Run, loss: Loss) -> dict[str, torch.Tensor]:
    names, weights = zip(*run.learning().items(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss.sum / loss.count, weights, materialize_grads=True), strict=True))


@pytest.mark.parametrize("head_only", [False, True])
def test_the_gradient_is_that_of_the_formula(run: Run, batch: Batch, objective: Inner, head_only: bool) -> None:
    run.model.eval()  # no dropout: the same objective twice
    plain = gradients(run, objective(batch))
    penalised = gradients(run, L1(0.3, head_only).loss(batch, run, objective))
    for name, w in run.learning().items():
        covered = name == "classifier.weight" or (not head_only and name.endswith("weight") and "norm" not in name and "final" not in name)
        torch.testing.assert_close(penalised[name] - plain[name], 0.3 * w.detach().sign() * covered, atol=1e-6, rtol=1e-5)


def test_the_part_is_the_penalty_times_the_count(run: Run, batch: Batch, objective: Inner) -> None:
    loss = L1(0.5, head_only=True).loss(batch, run, objective)
    torch.testing.assert_close(loss.parts["l1"], 0.5 * run.model.classifier.weight.abs().sum().detach() * 5)


def test_frozen_weights_are_left_out(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.requires_grad_(False)
    assert float(L1(0.5).loss(batch, run, objective).parts["l1"]) == 0


def test_zero_strength_returns_the_very_loss(run: Run, batch: Batch) -> None:
    loss = Loss(torch.tensor(1.0), 1)
    assert L1(0.0).loss(batch, run, lambda batch: loss) is loss


def test_absolute_size_adds_up() -> None:
    assert float(absolute_size([torch.tensor([1.0, -2.0]), torch.tensor([[-4.0]])])) == 7
    assert float(absolute_size([])) == 0
