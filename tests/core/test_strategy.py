"""A strategy that overrides nothing changes nothing, and its memory goes into a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy


@dataclass
class Remembering(Strategy):
    """Has a setting, and a memory that it fills in ``begin``."""

    strength: float = setting(0.5, "how much")

    def begin(self, run: Any) -> None:
        self.anchor = {"weight": torch.ones(2)}
        self.seen = 0
        self._file = object()


def test_settings_are_the_fields_and_memory_is_the_rest() -> None:
    strategy = Remembering(0.7)
    assert strategy.settings() == {"strength": 0.7}
    assert strategy.memory() == {}
    strategy.begin(None)
    assert strategy.settings() == {"strength": 0.7}
    assert strategy.memory().keys() == {"anchor", "seen"}  # what begins with an underscore is no memory


class Counting(Strategy):
    """No dataclass: it has no settings, and all that it holds is memory."""

    def __init__(self) -> None:
        self.seen = 3


def test_what_is_no_dataclass_is_all_memory() -> None:
    assert Counting().settings() == {}
    assert Counting().memory() == {"seen": 3}


def test_memory_comes_back_into_a_new_object() -> None:
    old, new = Remembering(0.7), Remembering(0.7)
    old.begin(None)
    old.seen, old.anchor["weight"] = 3, torch.tensor([1.0, 2.0])
    new.recall(old.memory())
    assert new.seen == 3
    assert torch.equal(new.anchor["weight"], torch.tensor([1.0, 2.0]))
    assert new == old


def test_a_strategy_that_overrides_nothing_changes_nothing() -> None:
    strategy, model, run = Strategy(), nn.Linear(1, 1), Any
    rule, param = Rule(rate=0.5), Param("weight", (1, 1), depth=1, layers=1, kind="mlp")
    loss, batches, called = Loss(torch.tensor(1.0), 1), iter([[{"row": 0}]]), []
    assert strategy.adapt(model) is model
    assert strategy.plan(param, rule, Clock(0, 1, 1)) is rule
    assert strategy.feed(batches, run) is batches  # type: ignore[arg-type]
    assert strategy.loss("batch", run, lambda batch: loss) is loss  # type: ignore[arg-type]
    assert strategy.gradient(["batch"], run, lambda batches: loss) is loss  # type: ignore[list-item, arg-type]
    strategy.step(run, lambda: called.append("step"))  # type: ignore[arg-type]
    with strategy.finished(run):  # type: ignore[arg-type]
        called.append("finished")
    assert called == ["step", "finished"]
    assert (Strategy.objective, strategy.owns, strategy.needs, strategy.foresees) == (None, frozenset(), frozenset(), True)
