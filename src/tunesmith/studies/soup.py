"""A soup: the mean of the weights of several models of one architecture, which is an ordinary model and costs no more than one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.adapters import merged
from tunesmith.model.build import Model, build_for
from tunesmith.recipes.recipe import Recipe

State = dict[str, Tensor]


def whole(recipe: Recipe, run: Path) -> Model:
    """The model of a run, an adapter folded into its weights: their mean is then the mean of what the adapters do."""
    model = build_for(recipe.task, str(run / "model"))
    if hasattr(model.module, "peft_config"):
        model.module = merged(model.module)
    return model


def uniform(recipe: Recipe, runs: Sequence[Path]) -> Model:
    """The first model with the mean of the weights of all. Raises ``InputError`` with every run whose model is built otherwise.

    Source: Wortsman et al. 2022, "Model soups", section 2 (uniform soup). One model beside the mean is held at a time.
    """
    first, *others = runs
    model = whole(recipe, first)
    total = {name: tensor.detach().double() for name, tensor in model.module.state_dict().items()}
    problems = []
    for run in others:
        state = whole(recipe, run).module.state_dict()
        if problem := difference(total, state, first.name, run):
            problems.append(problem)
        else:
            total = {name: tensor + state[name].detach().double() for name, tensor in total.items()}
        del state
        gc.collect()
    if problems:
        raise InputError(*problems)
    put(model, {name: tensor / len(runs) for name, tensor in total.items()})
    return model


def difference(one: State, other: State, name: str, run: Path) -> Problem | None:
    """What the weights of a run have not in common with those of the run ``name``."""
    shapes = [{key: tuple(tensor.shape) for key, tensor in state.items()} for state in (one, other)]
    if shapes[0] == shapes[1]:
        return None
    odd = next(key for key in {**shapes[0], **shapes[1]} if shapes[0].get(key) != shapes[1].get(key))
    return Problem(f"its model is built otherwise than that of {name}: {odd} differs", "Mix runs of one model", str(run))


@torch.no_grad()
def put(model: Model, state: State) -> None:
    """Copy weights into a model; whole numbers, positions for example, stay what they are."""
    for name, tensor in model.module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(state[name])


def greedy(runs: Sequence[Path], scores: Sequence[float], score: Callable[[Sequence[Path]], float]) -> list[Path]:
    """The runs of which a soup is made: the best first, and each of the others, in the order of ``scores``, that makes it no worse.

    ``scores`` are those of each alone, and ``score`` is that of a soup, more being better.

    Source: Wortsman et al. 2022, "Model soups", recipe 1 (greedy soup).
    """
    order = sorted(range(len(runs)), key=lambda place: -scores[place])
    chosen, best = [runs[order[0]]], scores[order[0]]
    for place in order[1:]:
        found = score([*chosen, runs[place]])
        if found >= best:
            chosen, best = [*chosen, runs[place]], found
    return chosen
