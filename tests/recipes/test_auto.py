"""``strategies: auto`` in a recipe: what is read, what stays open, what is refused, and that it reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.engine.settings import Training
from tunesmith.recipes.auto import ADVISED, given_in
from tunesmith.recipes.recipe import read_recipe, recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.recipes.yaml import parse

SMALL: dict[str, Any] = {"model": "m", "task": "text_classification", "data": {"train": "x.csv"}}
AUTO = {**SMALL, "strategies": "auto"}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"training": {"epochs": 3}},  # the default, and decided all the same
        {"training": {"steps": 50, "learning_rate": 1e-4, "batch_size": 8}},
        {"training": {"warmup": "6%", "micro_batch": 4, "log_every": 3}},
        {"strategies": {"auto": {"memory": "8GB"}}, "seed": 3},
        {"training": Training(epochs=7)},
        {"stages": [{"name": "one"}, {"name": "two", "strategies": ["ema"]}, {"name": "three", "training": {"epochs": 3}}]},
    ],
)
def test_what_is_open_stays_open_when_it_is_written_out(keys: dict[str, Any]) -> None:
    recipe = recipe_from({**AUTO, **keys})
    assert recipe.auto or recipe.stages
    for write in (resolved, shortened):
        again = recipe_from(parse(write(recipe), "")[0])
        assert again == recipe
        assert recipe_hash(again) == recipe_hash(recipe)


def test_what_the_recipe_decides_itself() -> None:
    assert given_in({"epochs": 3, "learning_rate": None, "batch_size": 8}) == ("epochs",)
    assert given_in({"steps": 9, "warmup": "6%"}) == ("epochs", "warmup")
    assert given_in(Training(learning_rate=1e-4)) == ("learning_rate",)
    assert given_in(None) == ()
    assert set(ADVISED) <= set(vars(Training()))
    recipe = recipe_from({**AUTO, "training": {"num_train_epochs": 3, "warmup_ratio": 0.1}})
    assert recipe.auto is not None
    assert recipe.auto.given == ("epochs", "warmup")


def test_overrides(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("model: m\ntask: text_classification\ndata: {train: x.csv}\nstrategies: auto\n")
    changed = read_recipe(file, ["training.epochs=3", "strategies.auto.memory=4GB"]).auto
    assert changed is not None
    assert (changed.memory, changed.given) == ("4GB", ("epochs",))
    assert read_recipe(file, ["strategies=[ema]"]).auto is None
    file.write_text(file.read_text().replace("strategies: auto", "strategies: [ema]"))
    assert read_recipe(file, ["strategies=auto"]).auto is not None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"strategies": ["auto"]}, "There is no strategy 'auto'. Write strategies: auto, without a list"),
        ({"strategies": "automatic"}, "strategies must be a list, or auto"),
        ({"strategies": {"auto": {"memory": "much"}}}, "'much' is no amount of memory"),
        ({"strategies": {"auto": {"memry": "8GB"}}}, "There is no setting 'memry' in strategies.auto. Did you mean memory?"),
        ({"strategies": {"auto": {}, "freeze": {}}}, "auto chooses the strategies, so 'freeze' is not read"),
        ({"tasks": {"one": {"task": "text_classification"}}, "task": None}, "auto chooses for one task, and the recipe has several"),
        ({"training": {"max_grad_norm": 1.0}}, "training.max_grad_norm is a strategy, and auto chooses them"),
    ],
)
def test_what_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe_from({**AUTO, **keys})
    assert [str(problem)[: len(said)] for problem in caught.value.problems] == [said]


def test_a_strategy_that_auto_may_not_have_chosen_cannot_be_changed() -> None:
    with pytest.raises(InputError, match="The strategies are chosen by auto"):
        recipe_from(AUTO, ["strategies.freeze.layers=2"])
