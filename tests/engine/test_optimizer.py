"""The weight update: the gradient scale of float16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Span
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.engine import optimizer, state


class Overflowing(Strategy):
    """Lets the gradients of step 4 overflow."""

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        if run.clock.step == 4:
            next(iter(run.learning().values())).grad.fill_(torch.inf)  # type: ignore[union-attr]
        return loss


def test_the_scale_of_float16_is_halved_by_an_overflow_and_doubled_after_long_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "choose", lambda *_: torch.float32)  # float16 is refused here: its scale is what counts
    monkeypatch.setattr(optimizer, "FP16_STEADY", 3)
    expected = [(1, 1), (1, 2), (2, 0), (2, 1), (1, 0), (1, 1), (1, 2), (2, 0)]  # the scale, and the updates since it changed
    for steps, (scale, steady) in enumerate(expected, 1):
        run = tiny_fit(tmp_path, [Overflowing()], steps=steps, precision="float16", save_every=Span(1, "st"), schedule="constant").run
        kept = run.snapshot()["optimizer"]
        assert (kept["scale"], kept["steady"]) == (scale * optimizer.FP16_SCALE, steady)
