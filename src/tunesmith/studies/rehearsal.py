"""Whether a part of a run can begin, tried before hours of others: on the untouched base, with a few of its rows."""

from __future__ import annotations

import gc
from dataclasses import replace

import torch

from tunesmith.checking import some
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import seed_of
from tunesmith.data.collect import collecting
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.load import Data
from tunesmith.deciding import settled
from tunesmith.engine.state import assemble
from tunesmith.model.build import Model, build_for
from tunesmith.recipes.recipe import Recipe
from tunesmith.run import recipe_of


def rehearse(recipe: Recipe, data: Data) -> None:
    """Raise ``InputError`` for what would keep a run of ``recipe`` from beginning; nothing is trained, and the recipe stays as it is."""
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build_for(recipe.task, recipe.model_spec)
    rows = encode(data.train, recipe.task, model.tokenizer)
    try:
        _begin(recipe, data, some(rows, recipe.task, recipe.training.batch_size), model)
    except InputError:
        _begin(recipe, data, rows, build_for(recipe.task, recipe.model_spec))  # a few may lack what all of them have
    finally:
        del model
        gc.collect()  # a run holds itself, and with it a model that the first stage wants the memory of


def _begin(recipe: Recipe, data: Data, rows: Encoded, model: Model) -> None:
    made, problems = recipe_of(recipe, {}), list[Problem]()
    with collecting(problems):
        made = settled(made, data, model, lambda line: None)
    with collecting(problems):
        assemble(model, made.task, rows, made.strategies, replace(made.training, trunk="off"), [])
    if problems:
        raise InputError(*problems)
