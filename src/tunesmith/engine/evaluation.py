"""Validation while training goes on: the model is judged as it would be shipped at that moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tunesmith.core.forward import Forward
from tunesmith.core.observer import Observer
from tunesmith.engine.state import Parts

Score = Callable[[Forward], dict[str, Any]]


def evaluate(parts: Parts, score: Score, watch: Sequence[Observer]) -> dict[str, Any]:
    """The scores of the model as it would be shipped now: plain numbers, a primary metric that is not defined here being the worst."""
    run = parts.run
    with parts.stack.finished(run), parts.compiled.resting():
        run.model.eval()
        found = {name: value for name, value in parts.root.within(lambda: score(run.forward)).items() if isinstance(value, int | float)}
        if run.task.primary not in found:
            run.say(f"{run.task.primary} is not defined for these predictions; it counts as the worst")
        worst = -math.inf if run.task.higher_is_better else math.inf
        scores = {"step": run.clock.step, run.task.primary: worst, **found}
        run.evaluations.append(scores)
        for observer in watch:
            observer.evaluated(run, scores)
        parts.trunk.learning_mode()
    return scores
