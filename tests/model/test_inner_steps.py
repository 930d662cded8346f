"""Steps that are taken back, whatever happens meanwhile."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunesmith.core.loss import Loss
from tunesmith.model.inner_steps import descend, taken_back, together


def test_weights_come_back_also_after_an_error() -> None:
    linear = nn.Linear(2, 1)
    weights, before = dict(linear.named_parameters()), linear.weight.detach().clone()
    linear(torch.ones(1, 2)).sum().backward()

    def memory_runs_out() -> None:
        with taken_back(weights) as kept:
            descend(weights, 0.5)
            torch.testing.assert_close(linear.weight.detach(), before - 0.5)
            torch.testing.assert_close(kept["weight"], before)
            raise MemoryError

    with pytest.raises(MemoryError):
        memory_runs_out()
    assert torch.equal(linear.weight.detach(), before)


def test_losses_add_up() -> None:
    found = together(
        [Loss(torch.tensor(3.0), 2, parts={"a": torch.tensor(1.0)}), Loss(torch.tensor(1.0), 4, parts={"a": torch.tensor(2.0)})]
    )
    assert (float(found.sum), found.count, float(found.parts["a"])) == (4.0, 6, 3.0)
