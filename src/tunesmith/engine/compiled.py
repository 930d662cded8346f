"""Layers as compiled code: ``torch.compile``, where the time that it saves is more than the minutes that it takes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Any

import torch
from torch import nn

from tunesmith.core.run import Run
from tunesmith.engine import distributed
from tunesmith.model.backbone import layers

WARM = 20  # steps that are timed before the choice
GAIN = 0.2  # of a step's time; Ansel et al. 2024, "PyTorch 2", abstract: training is 1.41 times as fast on an A100, as a mean of 180 models
OF_COMPILER = (  # warnings about what it does itself: it asks tensors for their gradient, and looks into cached functions of transformers
    "The .grad attribute of a Tensor",
    "Dynamo detected a call to a `functools.lru_cache`",
)
SECONDS = 180.0  # that compiling one kind of layer takes, forward and backward


class Compiled:
    """Whether the layers of a run are compiled: from the first step on, never, or from when their own times say that it pays.

    Each layer is compiled alone, so that what is made for the first serves all. Only passes with a gradient use it: rows that are
    judged have other shapes, and what is written grows word by word.

    ``on`` is the choice, None where it is still to be made; a checkpoint keeps it, since a resumed run must compute the same.
    """

    def __init__(self, run: Run, choice: str) -> None:
        self.run, self.on = run, {"always": True, "never": False}.get(choice, None if run.device.type == "cuda" else False)
        self._own: list[tuple[nn.Module, Any]] = []  # the layers that are compiled, each with what it computed with before
        self._last, self._times = 0.0, list[float]()

    def follow(self) -> None:
        """Called before each step: takes the time of the one before, and begins to compile where that was chosen."""
        now = time.perf_counter()
        if self.on is None:
            self._times += [now - self._last] if self._last else []
            self._last = now
            if len(self._times) == WARM:
                self._choose(median(self._times[1:]))
        if self.on and not self._own:
            for told in OF_COMPILER:
                warnings.filterwarnings("ignore", told)
            for layer in layers(self.run.model):
                self._own.append((layer, vars(layer).get("forward")))
                layer.forward = torch.compile(layer.forward, dynamic=True)

    def _choose(self, seconds: float) -> None:
        left = self.run.clock.total - self.run.clock.step
        saved = distributed.total(pays(left, seconds)) / distributed.world()  # one choice for all ranks
        self.on = saved > 0
        does = f"layers are compiled from here on, which saves about {saved / 60:,.0f} minutes" if self.on else "compiling would not pay"
        self.run.say(f"compile: {left:,} steps of {seconds:.2g} s are left: {does}")

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Within, layers compute as they did before they were compiled."""
        with torch.compiler.set_stance("force_eager") if self._own else nullcontext():
            yield

    def end(self) -> None:
        """Give the layers their own code back."""
        for layer, own in self._own:
            del layer.forward
            if own is not None:
                layer.forward = own
        self._own = []


def pays(steps: int, seconds: float) -> float:
    """Seconds that compiling saves in ``steps`` that take ``seconds`` each; negative where it takes longer."""
    return steps * seconds * GAIN - SECONDS
