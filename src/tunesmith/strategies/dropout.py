"""Dropout: how often values are dropped while training, set anew for a pre-trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss, average
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.model.backbone import stacks_of
from tunesmith.model.body import body, recorded, replayed

SCHEDULES: dict[str, Callable[[float], float]] = {  # of the share of the run that is done
    "constant": lambda progress: 1.0,
    "rising": lambda progress: progress,
    "falling": lambda progress: 1 - progress,
}


@dataclass
class Dropout(Strategy):
    """Sets the probability with which values are dropped while training: by place, over time, and for several masks of the head.

    Formula: y = m * x / (1 - rate), each element of m is 0 with probability rate and 1 else; y = x when the model is used.
    Use when: training is so short that nothing is over-fitted: 0 then learns faster; or the gap to validation is wide: try 0.2. Several
    samples of the head's dropout make training of a classifier steadier at little cost.
    Cost: memory x0.9 and time x0.8 to x0.95 at 0, since no masks are drawn and kept; x1 at the model's own rate; samples: x1.01 each.
    Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 4; samples: Inoue 2019,
    "Multi-Sample Dropout", section 3; rising: Morerio et al. 2017, "Curriculum Dropout"; falling: Liu et al. 2023, "Dropout Reduces
    Underfitting", section 4.
    Differs: what is kept is scaled while training, not when the model is used; rising and falling are linear over the whole run.
    """

    rate: float = setting(0.0, "probability that a hidden value is dropped, 0 to below 1", low=0, high=0.99)
    attention: float | None = setting(None, "the same for attention weights; when not said: as rate", low=0, high=0.99)
    embedding: float | None = setting(None, "the same before the first layer; when not said: as rate", low=0, high=0.99)
    head: float | None = setting(None, "the same after the last layer; when not said: as rate", low=0, high=0.99)
    schedule: str = setting("constant", "how the rates go: constant, rising from 0, or falling to 0", choices=tuple(SCHEDULES))
    samples: int = setting(1, "masks of the head's dropout whose losses are averaged; the layers below are computed once", low=1)

    def __post_init__(self) -> None:
        if self.samples > 1 and not (self.rate if self.head is None else self.head):
            raise InputError(Problem("dropout: several samples are alike where the head drops nothing", "Give head: 0.3, or samples: 1"))

    @classmethod
    def example(cls) -> Dropout:
        return cls(rate=0.3)

    def begin(self, run: Run) -> None:
        by_kind = {"attention": self.attention, "embedding": self.embedding, "head": self.head}
        rates = {kind: self.rate if rate is None else rate for kind, rate in by_kind.items()} | {"hidden": self.rate}
        self._places = [(part, name, rates[kind]) for part, name, kind in dropouts(run.model)]
        self._body = body(run.model)
        if not self._places:
            run.say("dropout: the model has none, so nothing was set")
        if self.samples > 1 and (self._body is None or all(kind != "head" for *_, kind in dropouts(run.model))):
            raise InputError(Problem("dropout: the model's head has no dropout to take samples of", "Write samples: 1"))
        self._set(run)

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        self._set(run)
        return inner(batches)

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if self.samples == 1 or self._body is None:
            return inner(batch)
        with recorded(self._body) as outputs:
            passes = [inner(batch)]
        for _ in range(self.samples - 1):
            with replayed(self._body, outputs):
                passes.append(inner(batch))
        return average(passes)

    def _set(self, run: Run) -> None:
        share = SCHEDULES[self.schedule](run.clock.progress)
        for part, name, rate in self._places:
            setattr(part, name, rate * share)


def dropouts(model: nn.Module) -> Iterator[tuple[Any, str, str]]:
    """Every dropout of ``model``: the module that holds its probability, under which name, and its kind.

    A kind is attention (weights), embedding (before the layers), head (after them) or hidden. That of an adapter (LoRA's) is left out.
    """
    places = {name: place for place, (name, _) in enumerate(model.named_modules())}
    stacks = stacks_of(model)
    first, last = min((s.place for s in stacks), default=0), max((s.place for s in stacks), default=0)
    for name, part in model.named_modules():
        if "lora_" in name:
            continue
        inside = any(name.startswith(f"{path}.") for stack in stacks for path in stack.lists)
        around = "embedding" if places[name] < first else "head" if places[name] > last else "hidden"
        kind = "hidden" if inside else around
        yield from (
            (part, held, "attention" if "att" in held else kind) for held, p in vars(part).items() if "dropout" in held and type(p) is float
        )
        if isinstance(part, nn.Dropout):
            yield part, "p", "attention" if weighs(name) else kind


def weighs(name: str) -> bool:
    """Whether a dropout module of this name drops attention weights, not the values that attention puts out."""
    parent, _, own = name.rpartition(".")
    holder = parent.rpartition(".")[2].lower()
    return "att" in own or (("att" in holder or holder == "self") and "resid" not in own)
