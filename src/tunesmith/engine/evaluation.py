"""Validation while training goes on: the model is judged as it would be shipped at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tunesmith.core.observer import Observer
from tunesmith.core.task import Forward
from tunesmith.engine.state import Parts

Score = Callable[[Forward], dict[str, Any]]


def evaluate(parts: Parts, score: Score, watch: Sequence[Observer]) -> dict[str, Any]:
    """The scores of the model as it would be shipped now: plain numbers, a primary metric that is not defined here counting as 0."""
    run = parts.run
    with parts.stack.finished(run):
        run.model.eval()
        found = {name: value for name, value in score(run.forward).items() if isinstance(value, int | float)}
        if run.task.primary not in found:
            run.say(f"{run.task.primary} is not defined for these predictions; it counts as 0")
        scores = {"step": run.clock.step, run.task.primary: 0.0, **found}
        run.evaluations.append(scores)
        for observer in watch:
            observer.evaluated(run, scores)
        run.model.train()
    return scores
