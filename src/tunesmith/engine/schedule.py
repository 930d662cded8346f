"""Learning-rate schedules: pure functions of time, each the factor by which the highest rate is multiplied."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.engine.settings import Training

BY_EVALUATIONS = ("reduce_on_plateau",)  # schedules that want validation rows


def linear(progress: float) -> float:
    """Down to 0 in a straight line. ``progress`` runs from the end of warm-up (0) to the end of the run (1)."""
    return 1 - progress


def cosine(progress: float) -> float:
    """Half a cosine down to 0 (Loshchilov and Hutter 2017, "SGDR", equation 5, one cycle)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def cosine_restarts(progress: float, cycles: int) -> float:
    """Half a cosine down to 0, ``cycles`` times, each beginning at 1 again (Loshchilov and Hutter 2017, "SGDR", equation 5)."""
    return 0.0 if progress >= 1 else cosine(progress * cycles % 1)


def one_cycle(step: int, total: int, peak: int, start: float = 25, end: float = 1e4) -> float:
    """From 1 / ``start`` up in half a cosine until ``peak``, then down to 1 / (``start`` * ``end``) at the last step.

    Smith and Topin 2019, "Super-Convergence", section 3, with the cosine and the ends of torch's OneCycleLR; momentum stays.
    """
    low, lowest = 1 / start, 1 / (start * end)
    if step < peak:
        return 1 + (low - 1) * cosine(step / peak)
    return lowest + (1 - lowest) * cosine(min(1.0, (step - peak) / max(1, total - 1 - peak)))


def polynomial(progress: float, power: float) -> float:
    """Down to 0 as a power of what is left."""
    return float((1 - progress) ** power)


def warmup_stable_decay(progress: float, cooldown: float) -> float:
    """1, then down to 0 over the last share ``cooldown`` as 1 - sqrt (Hägele et al. 2024, "Scaling Laws ... Beyond Fixed", section 3)."""
    left = (1 - progress) / cooldown if cooldown > 0 else math.inf
    return 1.0 if left >= 1 else 1 - math.sqrt(1 - left)


def slanted_triangular(step: int, total: int, peak: int, ratio: float = 32) -> float:
    """Up in a line until ``peak``, then down in a line to 1/``ratio`` at the end (Howard and Ruder 2018, "ULMFiT", equation 3)."""
    share = step / peak if step < peak else 1 - (step - peak) / max(1, total - peak)
    return (1 + max(0.0, share) * (ratio - 1)) / ratio


def plateau(scores: Sequence[float], higher_is_better: bool, patience: int, factor: float) -> float:
    """Multiplied with ``factor`` each time ``patience`` evaluations in a row, and one more, bring no better score."""
    product, best, waited = 1.0, -math.inf, 0
    for score in scores:
        signed = score if higher_is_better else -score
        waited = 0 if signed > best else waited + 1
        best = max(best, signed)
        if waited > patience:
            product, waited = product * factor, 0
    return product


def schedule(training: Training, run: Run) -> Callable[[], float]:
    """The factor of the next update of ``run``, as a function to be asked at each step. Warm-up never gives 0."""
    total, warmup = run.clock.total, training.warmup.steps(run.clock)
    cooldown = training.cooldown.steps(run.clock) / max(1, total - warmup)
    if training.schedule == "warmup_stable_decay" and warmup + training.cooldown.steps(run.clock) > max(total, 2):
        message = f"a warm-up of {training.warmup} and a cooldown of {training.cooldown} are more than all of the run"
        raise InputError(Problem(message, "Lower one of them", key="training.cooldown"))
    task = run.task

    def left_by_plateau() -> float:
        """What evaluations left of the rate. A fall is told once, at the first step after the evaluation that it follows."""
        scores = [scores[task.primary] for scores in run.evaluations]
        before, now = (plateau(some, task.higher_is_better, training.patience, training.factor) for some in (scores[:-1], scores))
        if now < before and run.evaluations[-1]["step"] == run.clock.step:
            no_better = f"no better {task.primary} in {training.patience + 1} evaluations"
            run.say(f"reduce_on_plateau: {no_better}: the rate falls to {now:.3g} of the highest")
        return now

    shapes: dict[str, Callable[[float], float]] = {
        "linear": linear,
        "cosine": cosine,
        "cosine_restarts": lambda progress: cosine_restarts(progress, training.cycles),
        "constant": lambda progress: 1.0,
        "polynomial": lambda progress: polynomial(progress, training.power),
        "warmup_stable_decay": lambda progress: warmup_stable_decay(progress, cooldown),
        "reduce_on_plateau": lambda progress: left_by_plateau(),
    }

    with_rise: dict[str, Callable[[int], float]] = {  # whose rise is no warm-up
        "slanted_triangular": lambda step: slanted_triangular(step, total, max(1, warmup)),
        "one_cycle": lambda step: one_cycle(step, total, max(1, warmup - 1)),
    }

    def factor() -> float:
        step = run.clock.step
        if training.schedule in with_rise:
            return with_rise[training.schedule](step)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        value = shapes[training.schedule](min(1.0, (step - warmup) / max(1, total - warmup)))
        return training.final_rate + (1 - training.final_rate) * value

    return factor
