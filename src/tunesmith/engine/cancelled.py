"""Strategies that cancel each other: one adds weights to the model, and another keeps them from ever learning."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.engine.stack import Stack, name_of


def cancelled(stack: Stack, run: Run) -> str:
    """What the user must not overlook where nothing that was added below the head ever learns, by both names; empty elsewhere."""
    added = [param for param in run.params.values() if param.added and not param.head and param.name not in run.fixed]
    if not added or stack.learning(run) & {param.name for param in added}:
        return ""
    moments = stack.moments(run)

    def stops(strategy: Strategy) -> bool:
        return not all(strategy.plan(param, Rule(), clock).learns for param in added for clock in moments)

    stopping = [name_of(strategy) for strategy in stack.strategies if strategy.foresees and stops(strategy)]
    return f"WARNING: what {_named(stack.adding)} adds never learns, since {_named(stopping)} freezes it. Take one of the two out."


def _named(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
