"""Adaptive: the run itself decides how deep, how fast, how regularised and how long it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.core.words import counted
from tunesmith.model.surgery import check_layers

STRONGEST = 64.0  # multiple of the weight decay
LONGEST = 100  # steps without a better evaluation that count as an epoch of them does


@dataclass
class Adaptive(Strategy):
    """Begins with the head and the top layers, and after each evaluation goes deeper, slower, more regularised, or ends the run.

    Formula: metric or loss better than ever: depth f - ``layers`` learns too; ``patience`` evaluations that are not: rate * factor, after
    ``falls`` falls the end; validation loss > (1 + gap) * training loss: weight decay * 2, / 2 where it is less, never below its setting.
    Use when: nobody can say how many epochs, layers or how high a rate; give many epochs and evaluate often (evaluate_every: 0.25ep,
    save_every: 1ep).
    Cost: memory x0.4 rising to x1, time x0.4 to x1, and that of the evaluations.
    Source: how long and how fast: Prechelt 1998, "Early Stopping - But When?" (patience); depth: Howard and Ruder 2018, ULMFiT, section
    3.3; regularisation: Krogh and Hertz 1992, "A Simple Weight Decay Can Improve Generalization"; the rules are our own.
    Differs: ULMFiT goes deeper each epoch, here only while that pays. Every decision is written into events.jsonl with its reason.
    """

    patience: int = setting(2, "evaluations without a better one, over an epoch or 100 steps, until the rate falls or it ends", low=1)
    start: int = setting(2, "layers that learn from the beginning, beside the head", low=0)
    layers: int = setting(2, "layers that join after each evaluation that is better than all before; the embeddings come last", low=0)
    factor: float = setting(0.5, "what the rate is multiplied with when it falls", above=0, high=1)
    falls: int = setting(2, "falls of the rate before the run ends", low=0)
    gap: float = setting(0.5, "by how much validation may exceed training loss, as a share of it, before weight decay doubles", low=0)

    foresees: ClassVar[bool] = False
    by_evaluations: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.deeper, self.rate, self.decay = 0, 1.0, 1.0  # layers below the first ones; multiples of rate and weight decay
        self.fallen, self.judged, self.since = 0, 0, 0  # falls; evaluations seen, and of these until the last that was better
        self.lowest = math.inf  # validation loss so far
        self.losses: list[float] = []  # sum and number of the training losses since the last evaluation
        self.ended = ""

    @classmethod
    def example(cls) -> Adaptive:
        return cls(start=1, layers=1)

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        learns = param.depth > param.layers - self.start - self.deeper
        return replace(rule, learns=rule.learns and learns, rate=rule.rate * self.rate, decay=rule.decay * self.decay)

    def begin(self, run: Run) -> None:
        self.__post_init__()  # a strategy that was used before begins anew
        check_layers(self.start, next(iter(run.params.values())).layers, "learn from the beginning")

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Callable[[Sequence[Batch]], Loss]) -> Loss:
        loss = inner(batches)
        self.losses = [sum(self.losses[:1]) + float(loss.mean), sum(self.losses[1:]) + 1]
        return loss

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        yield
        if len(run.evaluations) > self.judged:
            self.judged = len(run.evaluations)
            self._go_on(run)
            self._regularise(run)
            self.losses = []
        run.stop = self.ended or run.stop

    def _go_on(self, run: Run) -> None:
        """Deeper, slower, or no further."""
        metric, loss = run.task.primary, run.validation_loss()
        better = metric if run.improved(1) else "loss" if loss < self.lowest else ""
        self.lowest = min(self.lowest, loss)
        frontier = next(iter(run.params.values())).layers - self.start - self.deeper  # the highest depth that does not learn
        waited, steps = self.judged - self.since, run.clock.step - (run.evaluations[self.since - 1]["step"] if self.since else 0)
        if better:
            self.since = self.judged
            if joining := min(self.layers, frontier + 1):
                self.deeper += joining
                where = "everything" if joining == frontier + 1 else f"all from layer {frontier - joining + 1} up"
                value = loss if better == "loss" else run.evaluations[-1][metric]
                run.say(f"adaptive: {better} is {value:.4g}, better than before: {where} learns now")
        elif waited >= self.patience and steps >= min(LONGEST, run.clock.steps_per_epoch):
            found = f"adaptive: no better {metric} in {counted(waited, 'evaluation')}"
            if self.fallen < self.falls:
                self.fallen, self.since, self.rate = self.fallen + 1, self.judged, self.rate * self.factor
                run.say(f"{found}: the rate falls to {self.rate:.3g} of what it was")
            else:
                self.ended = f"{found} after {counted(self.fallen, 'fall')} of the rate"

    def _regularise(self, run: Run) -> None:
        """More weight decay where the gap to validation is wide, less where it is not."""
        found = run.validation_loss()
        if math.isinf(found) or not self.losses:
            return
        training = self.losses[0] / self.losses[1]
        before, self.decay = self.decay, decay_for(self.decay, training, found, self.gap)
        if self.decay != before:
            change = "doubles" if self.decay > before else "is halved"
            losses = f"loss {training:.3g} in training, {found:.3g} in validation"
            run.say(f"adaptive: {losses}: weight decay {change}, to {self.decay:g} of its setting")


def decay_for(decay: float, training: float, validation: float, gap: float) -> float:
    """The next multiple of the weight decay: doubled where the validation loss is more than ``gap`` above, halved down to 1 else."""
    return min(STRONGEST, decay * 2) if validation > training * (1 + gap) else max(1.0, decay / 2)
