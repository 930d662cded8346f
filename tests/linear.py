"""A linear regression in two groups with its gradient by hand, and a run around it, for what follows the pseudo-code of a paper."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss


def linear() -> tuple[nn.Linear, Any, Any, Batch]:
    """A linear regression in double precision, a run around it, its innermost ``gradient``, and a batch of two groups."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1).double()
    rows = [{"row": row, "group": row % 2} for row in range(8)]
    run: Any = SimpleNamespace(
        train=rows,
        say=print,
        device=torch.device("cpu"),
        task=None,
        learning=lambda: dict(model.named_parameters()),
        forward=SimpleNamespace(dtype=torch.float64),
    )

    def inner(batches: list[Batch]) -> Loss:
        model.zero_grad()
        sums = [(model(batch.inputs["x"])[:, 0] - batch.targets["y"]).square().sum() for batch in batches]
        count = sum(map(len, batches))
        (sum(sums) / count).backward()  # type: ignore[union-attr]
        return Loss(torch.stack(sums).sum().detach(), count)

    return model, run, inner, Batch({"x": torch.randn(8, 3).double()}, {"y": torch.randn(8).double()}, torch.arange(8), 8, micro=0)


def gradient(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    error = x @ w[0] + b - y
    return 2 * (error[:, None] * x).mean(dim=0, keepdim=True), 2 * error.mean()[None]
