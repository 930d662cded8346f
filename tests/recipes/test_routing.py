"""The key ``routing``: read beside a sequence alone, and its stages have names of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.model.routing import Routing
from tunesmith.recipes.recipe import recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.recipes.yaml import parse

STAGES = [{"name": "films", "data": {"train": "a.csv"}}, {"data": {"train": "b.csv"}}]
TOP: dict[str, Any] = {"model": "m", "task": "text_classification", "sequence": STAGES}


@pytest.mark.parametrize("routing", [{}, {"prototypes": 3}])
def test_it_reads_back(routing: dict[str, Any]) -> None:
    recipe = recipe_from(TOP | {"routing": routing, "name": "whole"})
    assert recipe.routing == Routing(**routing)
    assert recipe.stages[0].routing is None
    for write in (resolved, shortened):
        assert recipe_from(parse(write(recipe), "")[0]) == recipe
    assert recipe_hash(recipe) != recipe_hash(recipe_from(TOP | {"name": "whole"}))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sequence": None, "data": {"train": "a.csv"}}, "routing is not read: the recipe has no sequence"),
        ({"sequence": None, "stages": STAGES}, "routing is not read: the recipe has no sequence"),
        ({"sequence": [{"name": "b", "data": {"train": "a.csv"}}, STAGES[1]]}, "two stages are called b, and a row is routed to a stage"),
        ({"routing": {"prototypes": 0}}, "routing.prototypes must be at least 1"),
        ({"routing": {"prototype": 1}}, r"There is no setting 'prototype' in routing.*prototypes"),
        (
            {"ensemble": {"seeds": 2}},
            "ensemble and routing exclude each other: each stage has a model of its own. Train a stage with several",
        ),
        ({"search": {"space": {"training.epochs": [1, 2]}}}, "search and routing exclude each other.*Search the settings of one stage"),
        ({"routing": "nearest"}, "routing must be a mapping of settings"),
    ],
)
def test_what_is_not_read_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_from({key: value for key, value in (TOP | {"routing": {}} | keys).items() if value is not None})
