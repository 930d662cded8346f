"""Composes strategies: folds in recipe order, onions with the first outermost, brackets nested the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError, Problem, concerning
from tunesmith.core.loss import Loss
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.core.strategy import ORDER, Objective, Rows, Strategy
from tunesmith.core.task import Task

MOMENTS = 40  # times at which the future plan is looked at

SEAMS = ("adapt", "feed", "loss", "gradient", "step", "finished")  # in which a strategy may ask for more than a part of the weights

Inner = Callable[[Sequence[Batch]], Loss]


def name_of(strategy: object) -> str:
    """The strategy's name in a recipe: that of its file."""
    return type(strategy).__module__.rsplit(".", 1)[-1]


def key_of(strategy: Strategy) -> str:
    """Where a recipe has it, or its name."""
    return strategy._key or name_of(strategy)


class Stack:
    """The strategies of one run as one strategy. Raises ``InputError`` for what cannot be composed, naming both and the remedy.

    ``problems`` is what is wrong with strategies in ``adapt``, by their place in the order; ``begin`` raises all of it with its own.
    ``adding`` are the names of those that added weights there.
    """

    def __init__(self, strategies: Sequence[Strategy], task: Task) -> None:
        self.strategies = list(strategies)
        if problems := [*clashes(self.strategies), *lacks(self.strategies, task)]:
            raise InputError(*problems)
        self.owns = frozenset[str]().union(*(strategy.owns for strategy in self.strategies))
        self.perturbs = any(strategy.perturbs for strategy in self.strategies)
        self.rewrites = any(strategy.rewrites for strategy in self.strategies)
        self.all_tokens = any(strategy.all_tokens for strategy in self.strategies)
        self.compares = task.compares or any(strategy.compares for strategy in self.strategies)
        self.unshardable = [name_of(s) for s in self.strategies if not s.shardable and (s.objective is not None or overrides(s, SEAMS))]
        self.natural_rate = next((strategy.natural_rate for strategy in self.strategies if strategy.natural_rate), None)
        owner = next((s for s in self.strategies if s.objective is not None), None)
        self.objective: Objective = task.objective if owner is None else owner.objective
        self.problems: dict[int, list[Problem]] = {}
        self.adding: list[str] = []

    def adapt(self, module: nn.Module) -> nn.Module:
        for place, strategy in enumerate(self.strategies):
            with self._trying(place):
                before = sum(1 for _ in module.parameters())
                module = strategy.adapt(module)
                self.adding += [name_of(strategy)] * (sum(1 for _ in module.parameters()) > before)
        return module

    def plan(self, run: Run, clock: Clock | None = None, foreseen: bool = False) -> dict[str, Rule]:
        """The rule of every parameter now, or at another time. Biases and norms are not decayed, unless a strategy says so.

        With ``foreseen``, strategies that decide as they go are left out: whatever the others allow, they may come to allow.
        """
        rules = {}
        for name, param in run.params.items():
            rule = Rule(
                learns=name not in run.fixed,
                rate=run.head_pace if name in run.paced else 1.0,
                decay=0.0 if param.bias or param.kind == "norm" else 1.0,
            )
            for strategy in self.strategies:
                if strategy.foresees or not foreseen:
                    rule = strategy.plan(param, rule, clock or run.clock)
            rules[name] = rule
        return rules

    def learning(self, run: Run) -> set[str]:
        """The parameters that may learn at any time."""
        return set[str]().union(*self._foreseen(run))

    def idle(self, run: Run) -> float:
        """The share of the run in which nothing learns, since strategies leave each other nothing then."""
        foreseen = self._foreseen(run)
        return sum(not names for names in foreseen) / len(foreseen)

    def _foreseen(self, run: Run) -> list[set[str]]:
        """What may learn at each of some moments."""
        plans = (self.plan(run, clock, foreseen=True) for clock in self.moments(run))
        return [{name for name, rule in plan.items() if rule.learns} for plan in plans]

    def moments(self, run: Run) -> list[Clock]:
        """Times over all of the run."""
        return [run.clock.at(step) for step in sorted({int(run.clock.total * share / MOMENTS) for share in range(MOMENTS)})]

    def feed(self, source: Iterator[Rows], run: Run) -> Iterator[Rows]:
        outermost_first = sorted(self.strategies, key=lambda strategy: ORDER in strategy.owns)
        for strategy in reversed(outermost_first):
            source = strategy.feed(source, run)
        return source

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss] | None = None) -> Loss:
        """The loss of a micro-batch: ``inner`` with all strategies around it, the objective where there is no such."""

        def objective(batch: Batch) -> Loss:
            return self.objective(batch, run.forward)

        inner = inner or objective
        for strategy in reversed(self.strategies):
            inner = partial(_call_loss, strategy, run, inner)
        return inner(batch)

    def gradient(self, batches: Sequence[Batch], run: Run, inner: Inner) -> Loss:
        for strategy in reversed(self.strategies):
            inner = partial(_call_gradient, strategy, run, inner)
        return inner(batches)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        for strategy in reversed(self.strategies):
            inner = partial(strategy.step, run, inner)
        inner()

    def begin(self, run: Run) -> None:
        for place, strategy in enumerate(self.strategies):
            if place not in self.problems:
                with self._trying(place):
                    strategy.begin(run)
        if self.problems:
            raise InputError(*(problem for _, found in sorted(self.problems.items()) for problem in found))

    @contextmanager
    def _trying(self, place: int) -> Iterator[None]:
        """Note what is wrong with a strategy, under its name, and go on with the others."""
        strategy = self.strategies[place]
        try:
            with concerning(key_of(strategy)):
                yield
        except InputError as error:
            own = f"{name_of(strategy)}: "
            self.problems[place] = [replace(problem, message=problem.message.removeprefix(own)) for problem in error.problems]

    @contextmanager
    def finished(self, run: Run) -> Iterator[None]:
        with ExitStack() as entered:
            for strategy in self.strategies:
                entered.enter_context(strategy.finished(run))
            yield

    def memory(self) -> list[dict[str, Any]]:
        return [strategy.memory() for strategy in self.strategies]

    def recall(self, memories: Sequence[dict[str, Any]]) -> None:
        for strategy, memory in zip(self.strategies, memories, strict=True):
            strategy.recall(memory)


def _call_loss(strategy: Strategy, run: Run, inner: Callable[[Batch], Loss], batch: Batch) -> Loss:
    return strategy.loss(batch, run, inner)


def _call_gradient(strategy: Strategy, run: Run, inner: Inner, batches: Sequence[Batch]) -> Loss:
    return strategy.gradient(batches, run, inner)


def overrides(strategy: Strategy, seams: Sequence[str]) -> bool:
    """Whether it does anything at one of the seams."""
    return any(getattr(type(strategy), seam) is not getattr(Strategy, seam) for seam in seams)


def clashes(strategies: Sequence[Strategy]) -> Iterator[Problem]:
    """Two strategies that claim the same capability, the objective among them."""
    owners: dict[str, Strategy] = {}
    for strategy in strategies:
        claims = strategy.owns | ({"objective"} if strategy.objective is not None else frozenset())
        for capability in sorted(claims):
            if capability in owners:
                first = name_of(owners[capability])
                message = f"'{first}' and '{name_of(strategy)}' both decide on {capability}"
                yield Problem(message, "Keep one of them", key=key_of(strategy))
            owners.setdefault(capability, strategy)


def lacks(strategies: Sequence[Strategy], task: Task) -> Iterator[Problem]:
    """A strategy that needs what nothing in the run gives. Where a strategy has the objective, no logits come with the loss."""
    own = any(strategy.objective is not None for strategy in strategies)
    given = (set(task.offers) - ({"logits"} if own else set())).union(*(s.owns for s in strategies))
    for strategy in strategies:
        for capability in sorted(strategy.needs - given):
            who = "the objective of another strategy" if own and capability in task.offers else f"task '{name_of(task)}'"
            message = f"'{name_of(strategy)}' needs {capability}, which {who} has not"
            yield Problem(message, "Take it out of strategies", key=key_of(strategy))
