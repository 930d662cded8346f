"""The learning-rate range test: a short run on a copy, whose rate rises from almost nothing until the loss does.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3. The run has the recipe's strategies and batches, so that
the rate is the one that suits what learns. The head rises with all else, whatever rate of its own the recipe gives it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import DivergedError, InputError, Problem
from tunesmith.core.observer import Observer, Record
from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run, seed_of
from tunesmith.core.strategy import Strategy
from tunesmith.core.words import Say
from tunesmith.data.encode import encode
from tunesmith.data.load import load
from tunesmith.deciding import settled
from tunesmith.engine.loop import fit
from tunesmith.model.build import build_for
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe

LOWEST, HIGHEST = 1e-7, 1.0
STEPS = 60
SMOOTH = 0.9  # share of the running mean of losses that stays at each step
TOO_HIGH = 2.0  # the test ends when the smoothed loss is this many times the lowest
BELOW = 10.0  # a rate this many times below that of the lowest loss is safe


@dataclass(frozen=True)
class Found:
    """What a range test saw: the ``losses`` at the ``rates``, ``smoothed``, and the rate to train with.

    ``steepest`` is the rate where the smoothed loss falls fastest, ``lowest`` that of its lowest value.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    steepest: float
    lowest: float
    rate: float


@dataclass
class _Rising(Strategy):
    """Multiplies the rate so that it goes from the lowest to the highest in equal ratios."""

    def plan(self, param: Param, rule: Rule, clock: Clock) -> Rule:
        return replace(rule, rate=rule.rate * rate_at(clock.step, clock.total) / LOWEST)


@dataclass
class _Watching(Observer):
    """Collects the losses, and ends the run when they have risen far."""

    losses: list[float] = field(default_factory=list)

    def step(self, run: Run, record: Record) -> str | None:
        self.losses.append(record.loss)
        seen = smoothed(self.losses)
        return "the loss rises" if len(seen) > STEPS // 6 and seen[-1] > TOO_HIGH * min(seen) else None


@placed
def find_rate(recipe: Recipe, say: Say) -> Found:
    """Test rates on a copy of the recipe's model. Raises as training would, and ``InputError`` where no rate makes the loss fall."""
    if recipe.tasks:
        raise InputError("A rate is looked for with one task, and the recipe has several", remedy="Write training.learning_rate")
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build_for(recipe.task, recipe.model_spec, say)
    recipe = settled(recipe, data, model, say)
    rows = encode(data.train, recipe.task, model.tokenizer)
    watching = _Watching()
    rising: dict[str, Any] = {"steps": STEPS, "learning_rate": LOWEST, "head_rate": None, "schedule": "constant", "warmup": Span(0, "st")}
    training = replace(recipe.training, **rising, trunk="off", final_rate=0.0)
    with suppress(DivergedError):  # that the highest rates lead there is what is looked for
        fit(model, recipe.task, rows, [_Rising(), *recipe.strategies], training, None, [watching])
    return chosen([rate_at(step, STEPS) for step in range(len(watching.losses))], watching.losses)


def rate_at(step: int, total: int) -> float:
    """The rate of a step, of ``total``: LOWEST at the first, HIGHEST at the last, and each the same multiple of the one before."""
    return float(LOWEST * (HIGHEST / LOWEST) ** (step / max(1, total - 1)))


def smoothed(losses: Sequence[float]) -> list[float]:
    """The exponential running mean, without the pull to its start: m(t) / (1 - b^t), m(t) = b m(t-1) + (1 - b) loss(t)."""
    mean, found = 0.0, []
    for step, loss in enumerate(losses, 1):
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        found.append(mean / (1 - SMOOTH**step))
    return found


def chosen(rates: Sequence[float], losses: Sequence[float]) -> Found:
    """Where the smoothed loss falls fastest, or a tenth of the rate of its lowest value: whichever is less.

    Raises ``InputError`` where the loss never falls.
    """
    seen = smoothed(losses)
    place = min(range(len(seen)), key=lambda step: seen[step], default=0)
    if place == 0:
        remedy = "Look at the data with `tunesmith check`, or give training.learning_rate"
        raise InputError(Problem(f"no rate from {LOWEST:g} to {HIGHEST:g} makes the loss fall", remedy))
    falls = [(after - before, step) for step, (before, after) in enumerate(pairwise(seen[: place + 1]), 1)]
    steepest, lowest = rates[min(falls)[1]], rates[place]
    return Found(list(rates), list(losses), seen, steepest, lowest, rounded(min(steepest, lowest / BELOW)))


def rounded(rate: float) -> float:
    """The rate to one digit, as people write it: 3e-5."""
    return float(f"{rate:.0e}")


def drawn(found: Found, width: int = 60, height: int = 10) -> list[str]:
    """The smoothed loss over the rate as lines of text; ``|`` marks the chosen rate."""
    points = _placed(found, width - 1, height - 1)
    mark = round(_across(found, found.rate) * (width - 1))
    rows = [[" "] * width for _ in range(height)]
    for row in rows:
        row[mark] = "|"
    for x, y in points:
        rows[round(y)][round(x)] = "*"
    low, high = min(found.smoothed), max(found.smoothed)
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"]
    margin = max(map(len, labels))
    lines = [f"{label:>{margin}} {''.join(row).rstrip()}" for label, row in zip(labels, rows, strict=True)]
    ends = f"{found.rates[0]:.0e}", f"{found.rates[-1]:.0e}"
    return [*lines, " " * (margin + 1) + ends[0] + " " * (width - len(ends[0]) - len(ends[1])) + ends[1]]


def svg(found: Found, width: int = 640, height: int = 320) -> str:
    """The same as a drawing."""
    line = " ".join(f"{x + 20:.1f},{y + 20:.1f}" for x, y in _placed(found, width - 40, height - 60))
    mark = 20 + _across(found, found.rate) * (width - 40)
    text = 'font-family="sans-serif" font-size="12"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>Loss over the learning rate; chosen: {found.rate:g}</title>\n"
        f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="20" y2="{height - 40}" stroke="#c33" stroke-dasharray="4"/>\n'
        f'<polyline points="{line}" fill="none" stroke="#246" stroke-width="2"/>\n'
        f'<text x="20" y="{height - 10}" {text}>{found.rates[0]:.0e}</text>\n'
        f'<text x="{mark:.1f}" y="{height - 24}" {text} text-anchor="middle">{found.rate:g}</text>\n'
        f'<text x="{width - 20}" y="{height - 10}" {text} text-anchor="end">{found.rates[-1]:.0e}</text>\n</svg>\n'
    )


def plain(found: Found) -> dict[str, Any]:
    """JSON values."""
    return dict(vars(found))


def _across(found: Found, rate: float) -> float:
    """How far a rate lies from the lowest to the highest one, 0 to 1, by their logarithms."""
    first, last = math.log(found.rates[0]), math.log(found.rates[-1])
    return min(1.0, max(0.0, (math.log(rate) - first) / ((last - first) or 1.0)))


def _placed(found: Found, width: float, height: float) -> list[tuple[float, float]]:
    """The smoothed losses in a box, the highest at the top, y = 0."""
    low, high = min(found.smoothed), max(found.smoothed)
    across = (_across(found, rate) * width for rate in found.rates)
    return [(x, (high - loss) / ((high - low) or 1.0) * height) for x, loss in zip(across, found.smoothed, strict=True)]
