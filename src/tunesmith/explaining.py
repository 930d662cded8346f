"""Who wraps whom, and what learns when: a recipe's composition as plain values, found by asking the strategies themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from tunesmith.core.param import Param, Rule
from tunesmith.core.run import Run, seed_of
from tunesmith.core.words import Say
from tunesmith.data.load import load
from tunesmith.deciding import settled
from tunesmith.engine.of_task import OfTask
from tunesmith.engine.optimizer import Rates, rates
from tunesmith.engine.stack import Stack, overrides
from tunesmith.engine.state import start
from tunesmith.model.build import Model, build_for
from tunesmith.model.surgery import places, summary
from tunesmith.recipes.find import name_of
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe

MEANINGS = {
    "adapt": "changes the model before training",
    "begin": "looks at the finished model before the first step",
    "feed": "changes the stream of rows",
    "plan": "decides what learns, and how fast",
    "gradient": "wraps forward and backward of a step",
    "loss": "wraps the objective of a micro-batch",
    "step": "wraps the update of the weights",
    "finished": "the model as it is judged and shipped",
    "watch": "looks on, and may end the run",
}
MOMENTS = 200  # times at which the plan is looked at
CHANGES = 20  # that are found between two of them: a plan that changes with each step is not told step by step


@dataclass(frozen=True)
class Stretch:
    """Steps ``first`` to ``last``, counted from 1, in which the plan stays the same."""

    first: int
    last: int
    rules: dict[str, Rule]


@dataclass(frozen=True)
class Phase:
    """A stretch in words: what learns, and at which multiples of the learning rate."""

    first: int
    last: int
    learns: str
    rates: str


@dataclass(frozen=True)
class Explanation:
    """``seams`` lists the strategies at each seam, outermost first; ``phases`` what learns when; ``foresees`` whether that is certain.

    ``rates`` are the highest, in a run of ``total`` steps; ``decided`` is what ``strategies: auto`` chose, and why.
    """

    seams: dict[str, list[str]]
    phases: list[Phase]
    total: int
    rates: Rates
    foresees: bool
    decided: list[str]


@placed
def explain(recipe: Recipe, say: Say) -> Explanation:
    """Load data and model, compose the strategies, and ask the plan about every part of the run. Nothing is trained."""
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build_for(recipe.task, recipe.model_spec, say)
    decided: list[str] = []
    recipe = settled(recipe, data, model, decided.append)
    return explained(recipe, model, len(data.train), decided)


def explained(recipe: Recipe, model: Model, num_rows: int, decided: list[str]) -> Explanation:
    """Compose the strategies of a recipe around its model, and ask the plan about every part of the run."""
    stack = Stack(recipe.strategies, recipe.task)
    run = start(model, recipe.task, num_rows, recipe.training, (), stack)
    stack.begin(run)
    chosen = rates(run, recipe.training, stack.learning(run), stack.natural_rate)
    chosen.given_to(run)
    return Explanation(
        seams={seam: acting(recipe, seam) for seam in MEANINGS},
        phases=[phase(run.params, stretch) for stretch in timeline(stack, run)],
        total=run.clock.total,
        rates=chosen,
        foresees=all(strategy.foresees for strategy in recipe.strategies),
        decided=decided,
    )


def acting(recipe: Recipe, seam: str) -> list[str]:
    """The names of the strategies that do anything at a seam; the observers are at ``watch``."""
    if seam == "watch":
        return [name_of(observer) for observer in recipe.watch]
    found = []
    for strategy in recipe.strategies:
        parts = strategy.strategies if isinstance(strategy, OfTask) else [strategy]
        whose = f" of {strategy.name}" if isinstance(strategy, OfTask) else ""
        found += [f"{name_of(part).rpartition(':')[2]}{whose}" for part in parts if overrides(part, [seam])]
    return found


def timeline(stack: Stack, run: Run) -> list[Stretch]:
    """The plan over time. A change is found to the step, up to ``CHANGES`` of them between two of ``MOMENTS`` whose plans differ."""
    now = run.clock

    def rules_at(step: int) -> dict[str, Rule]:
        run.clock = now.at(step)
        return stack.plan(run)

    stride = max(1, math.ceil(now.total / MOMENTS))
    found, before = [(0, rules_at(0))], 0
    for step in (*range(stride, now.total, stride), now.total - 1):
        rules = rules_at(step)
        for _ in range(CHANGES):
            if rules == found[-1][1]:
                break
            low, high = before, step  # the change lies between: halve until it is found
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if rules_at(middle) != found[-1][1] else (middle, high)
            found.append((high, rules_at(high)))
            before = high
        before = step
    run.clock = now
    ends = [first for first, _ in found[1:]] + [now.total]
    return [Stretch(first + 1, last, rules) for (first, rules), last in zip(found, ends, strict=True)]


def phase(params: Mapping[str, Param], stretch: Stretch) -> Phase:
    """One stretch in words; rates are multiples of the learning rate, from the bottom up, and where there are several, whose."""
    rules = stretch.rules
    learning = sorted((params[name] for name, rule in rules.items() if rule.learns), key=lambda param: param.depth)
    by_rate: dict[str, list[Param]] = {}
    for param in learning:
        by_rate.setdefault(f"{rules[param.name].rate:.3g}", []).append(param)
    told = [f"{rate} {', '.join(places(group))}" for rate, group in by_rate.items()] if len(by_rate) > 1 else list(by_rate)
    shown = told if len(told) <= 6 else [*told[:2], "...", *told[-2:]]
    return Phase(stretch.first, stretch.last, summary(learning), "; ".join(shown))
