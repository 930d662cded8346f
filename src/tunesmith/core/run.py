"""The live run, as strategies and observers see it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.forward import Forward
from tunesmith.core.param import Param, Rule
from tunesmith.core.task import Task
from tunesmith.core.words import Say

LOSSES = ("log_loss", "loss", "mse")  # scores that are of the kind of a training loss, the first that there is


def seed_of(*parts: object) -> int:
    """A 63-bit seed that is a pure function of its parts: the same on every machine, in every process."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


@dataclass
class Run:
    """What is going on. Strategies read it and may change the weights of ``model``; observers only read.

    ``forward``      batch -> the model's output, on the run's device and in its precision
    ``params``       every parameter by name, after all ``adapt``
    ``tokenizer``    what feeds the model: a tokenizer or a processor of transformers, None where there is none
    ``train``        the items that are trained on, by feature; empty where nothing is going to be trained
    ``fixed``        names of parameters that the model itself keeps as they are: sinusoidal positions, the base under an adapter
    ``peak``         the highest learning rate, before any rule's multiple
    ``head_pace``    multiple of the learning rate with which the plan of the head begins, before strategies have their say
    ``paced``        the names of the parameters whose plan begins so
    ``rules``        the plan in force, by parameter name
    ``touched``      the names of parameters that learned at any time so far
    ``evaluations``  the scores of every evaluation so far, oldest first, each with its ``step``
    ``loss``         mean training loss of the last optimizer step
    ``stop``         why the run is to end after this step, where a strategy wants that
    ``micro``        the index of the micro-batch that is being computed, over all ranks
    ``say``          write a line for the user and into ``events.jsonl``
    ``snapshot``     everything that a resume needs, as nested dictionaries of tensors and JSON values
    ``restore``      take back what ``snapshot`` returned
    """

    model: nn.Module
    task: Task
    forward: Forward
    clock: Clock
    device: torch.device
    seed: int
    say: Say
    snapshot: Callable[[], dict[str, Any]] = dict
    restore: Callable[[dict[str, Any]], None] = lambda snapshot: None
    params: Mapping[str, Param] = field(default_factory=dict)
    tokenizer: Any = None
    train: Sequence[dict[str, Any]] = ()
    fixed: frozenset[str] = frozenset()
    peak: float = 0.0
    head_pace: float = 1.0
    paced: Set[str] = frozenset()
    rules: dict[str, Rule] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    loss: float = float("nan")
    stop: str = ""
    micro: int = 0

    def learning(self) -> dict[str, nn.Parameter]:
        """The parameters that learn now, by name, in the model's order."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def let_go(self) -> None:
        """Let go of what only training needs, gradients and the state of the optimizer: there is nothing left to snapshot or restore."""
        self.snapshot, self.restore = dict, lambda snapshot: None
        for parameter in self.model.parameters():
            parameter.grad = None

    @property
    def fresh(self) -> bool:
        """Whether the model has weights that no file held."""
        return any(param.fresh for param in self.params.values())

    @property
    def new_head(self) -> bool:
        """Whether some of what stands above the layers is fresh."""
        return any(param.fresh and param.head for param in self.params.values())

    def generator(self, name: str) -> torch.Generator:
        """Random numbers for ``name`` at this step and micro-batch: the same after a resume and on every rank."""
        return torch.Generator().manual_seed(seed_of(self.seed, name, self.clock.step, self.micro))

    def improved(self, patience: int) -> bool:
        """Whether the best value of the task's primary metric lies within the last ``patience`` evaluations."""
        values = [scores[self.task.primary] for scores in self.evaluations]
        return len(values) <= patience or best_index(values, self.task.higher_is_better) >= len(values) - patience

    def validation_loss(self) -> float:
        """What of the last evaluation is of the kind of a training loss; infinite where nothing is."""
        return next((float(self.evaluations[-1][name]) for name in LOSSES if name in self.evaluations[-1]), math.inf)


def best_index(values: Sequence[float], higher_is_better: bool) -> int:
    """The position of the first best value."""
    return values.index(max(values) if higher_is_better else min(values))
