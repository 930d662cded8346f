"""The key ``search``: every path and every value in it is checked as if it stood in the recipe, and what is wrong has its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.engine.settings import Training
from tunesmith.recipes.recipe import read_recipe, recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.recipes.search import Range, overrides
from tunesmith.recipes.yaml import parse
from tunesmith.strategies.clip import Clip
from tunesmith.tasks.text_classification import TextClassification

SPACE: dict[str, Any] = {
    "training.learning_rate": {"low": 1e-5, "high": 1e-3, "scale": "log"},
    "strategies.lora.rank": [4, 8, 16],
    "strategies.freeze.layers": {"low": 0, "high": 6, "step": 2},
}
TOP: dict[str, Any] = {
    "model": "m",
    "task": "text_classification",
    "data": {"train": "a.csv"},
    "strategies": [{"lora": {"rank": 8}}, {"freeze": {"layers": 1}}],
}


def test_it_reads_back_and_knows_what_varies() -> None:
    recipe = recipe_from(TOP | {"search": {"space": SPACE, "trials": 7, "time": "2h"}, "name": "best"})
    assert recipe.search is not None
    assert list(recipe.search.dimensions) == list(SPACE)
    assert recipe.search.dimensions["strategies.lora.rank"] == [4, 8, 16]
    for write in (resolved, shortened):
        assert recipe_from(parse(write(recipe), "")[0]) == recipe
    assert recipe_hash(recipe) != recipe_hash(recipe_from(TOP | {"name": "best"}))
    varied = recipe_from(recipe.search.given, overrides({"training.learning_rate": 2e-4, "strategies.lora.rank": 4}))
    assert (varied.training.learning_rate, varied.strategies[0].rank) == (2e-4, 4)  # type: ignore[attr-defined]
    assert varied.search is None


def test_ranges_and_grids() -> None:
    assert Range(0, 6, step=2).values() == [0, 2, 4, 6]
    assert Range(1, 3).values() == [1, 2, 3]
    assert Range(0.0, 0.3, step=0.1).values() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert Range(0.0, 1).values() == []
    space = {"strategies.lora.rank": [4, 8], "strategies.freeze.layers": {"low": 0, "high": 1}}
    recipe = recipe_from(TOP | {"search": {"space": space, "sampler": "grid"}})
    assert recipe.search is not None
    assert [tuple(values.values()) for values in recipe.search.grid()] == [(4, 0), (4, 1), (8, 0), (8, 1)]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"training.learning_rat": [1e-4, 1e-3]}, r"no setting 'learning_rat' in training. Did you mean learning_rate"),
        ({"strategies.lorra.rank": [4, 8]}, r"no strategy 'lorra'. Did you mean lora"),
        ({"strategies.lora.rank": [4, 0]}, r"rank must be at least 1"),
        ({"training.batch_size": {"low": 0, "high": 8}}, r"batch_size must be at least 1, not 0"),
        ({"training.schedule": ["linear", "liner"]}, r"schedule must be linear or"),
        ({"training.momentum": [0.5, 0.9]}, r"momentum is not read where optimizer is adamw"),
        ({"training.learning_rate": {"low": 1e-3, "high": 1e-5}}, r"low is 0.001 and high 1e-05"),
        ({"training.weight_decay": {"low": 0, "high": 1, "scale": "log"}}, r"scale: log is for values above 0"),
        ({"training.weight_decay": {"low": 0, "hihg": 1}}, r"no setting 'hihg' in search.space.training.weight_decay. Did you mean high"),
        ({"training.epochs": [3]}, r"training.epochs needs two different values or more"),
        ({"training.epochs": 3}, r"training.epochs must be a list of values, or a range"),
        ({"seed": [0, 1]}, r"seed cannot vary: the best of several seeds is luck"),
        ({"data.validation": ["10%", "20%"]}, r"data.validation cannot vary: trials are judged on the same rows"),
        ({"strategies": [["lora"], ["bitfit"]], "strategies.lora.rank": [4, 8]}, r"strategies.lora.rank is a part of strategies"),
        ({}, r"search.space has no keys"),
    ],
)
def test_what_is_wrong_is_told(space: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_from(TOP | {"search": {"space": space}})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"search": {"space": SPACE, "sampler": "grid"}}, "training.learning_rate has infinitely many values"),
        ({"search": {"space": SPACE, "time": "soon"}}, "'soon' is no length of time"),
        ({"search": {"space": SPACE, "trials": 0}}, "search.trials must be at least 1"),
        ({"search": {"space": SPACE, "pruner": "none"}}, "There is no setting 'pruner' in search. Did you mean prune"),
        ({"search": {"space": SPACE}, "ensemble": {}, "stages": [{}, {}]}, "search and ensemble exclude each other"),
        (
            {"search": {"space": {"training.epochs": [1, 2]}, "sampler": "grid", "prune": "none", "startup": 3}},
            "startup is not read where nothing is drawn",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_from(TOP | keys)


PARTS: dict[str, Any] = {
    "stages": [{"name": "a", "strategies": ["lora"]}, {"name": "b", "task": "text_classification", "training": {"epochs": 2}}],
    "sequence": [{"name": "a"}, {"name": "b"}],
    "tasks": {"one": {"task": "text_classification"}, "two": {"task": "token_classification", "auxiliary": True}},
}


@pytest.mark.parametrize(
    ("key", "path", "values", "message"),
    [
        ("stages", "training.learning_rate", [1e-4, 1e-3], ""),
        ("stages", "stages.1.task.text_classification.metric", ["accuracy", "f1_macro"], "cannot vary: it is one for the whole search"),
        ("stages", "stages.1.training.epochs", [1, 2], ""),
        ("stages", "stages.0.strategies.lora.rank", [4, 8], ""),
        ("stages", "stages.0.data.train", ["a.csv", "b.csv"], ""),  # the rows of the last stage judge
        ("stages", "stages.1.data.train", ["a.csv", "b.csv"], "cannot vary: trials are judged on the same rows"),
        ("stages", "data.validation", ["10%", "20%"], "cannot vary: trials are judged on the same rows"),
        ("stages", "stages.0.name", ["a", "b"], "cannot vary: it is one for the whole search"),
        ("stages", "stages.1", [{}, {"name": "c"}], "cannot vary: keys within its parts can"),
        ("stages", "stages", [[{}], [{}, {}]], "cannot vary: keys within its parts can"),
        ("stages", "stages.1.training.epocs", [1, 2], "There is no setting 'epocs' in stages.1.training. Did you mean epochs"),
        ("stages", "stages.1.training.epochs", [1, 0], "stages.1.training.epochs must be above 0"),
        ("stages", "stages.2.training.epochs", [1, 2], "There is nothing at '2'"),
        ("sequence", "sequence.0.data.train", ["a.csv", "b.csv"], "cannot vary: trials are judged on the same rows"),
        ("sequence", "sequence.0.training.epochs", [1, 2], ""),
        ("tasks", "tasks.one.weight", {"low": 0.1, "high": 1}, ""),
        ("tasks", "mixing.by", ["size", "equal"], ""),
        ("tasks", "tasks.one.task.max_length", [8, 16], ""),
        ("tasks", "tasks.two.auxiliary", [True, False], "cannot vary: trials are judged by the same tasks"),
        ("tasks", "single_task", [True, False], "single_task cannot vary"),
    ],
)
def test_keys_of_stages_and_tasks_can_vary(key: str, path: str, values: Any, message: str) -> None:
    top = {name: value for name, value in TOP.items() if name != "task" or key == "sequence"} | {"strategies": []}
    top |= {"task": "text_classification"} if key == "stages" else {}
    given = top | {key: PARTS[key], "search": {"space": {path: values}}}
    if message:
        with pytest.raises(InputError, match=message):
            recipe_from(given)
        return
    recipe = recipe_from(given)
    assert recipe.search is not None
    assert list(recipe.search.dimensions) == [path]
    assert (len(recipe.stages), len(recipe.tasks)) == ((0, 2) if key == "tasks" else (2, 0))
    assert all(part.search is None for part in (*recipe.stages, *recipe.tasks.values()))
    for write in (resolved, shortened):
        again = recipe_from(parse(write(recipe), "")[0])
        assert again == recipe
        assert again.search is not None
        varied = overrides({path: 1 if isinstance(values, dict) else values[0]})
        assert recipe_from(again.search.given, varied) == recipe_from(recipe.search.given, varied)


def test_a_search_over_stages_given_as_objects_is_written_with_each_setting_where_it_was() -> None:
    top = {"model": "m", "task": TextClassification(max_length=8), "training": {"epochs": 2}, "strategies": [Clip(norm=2.0)]}
    given = top | {
        "stages": [{"data": {"train": [{"text": "a", "label": "b"}]}}, {"data": {"train": "b.csv"}, "training": Training(steps=1)}],
        "seed": 3,
    }
    recipe = recipe_from(given | {"search": {"space": {"training.epochs": [1, 2]}}})
    written = parse(shortened(recipe), "")[0]
    assert written["training"] == {"epochs": 2}
    assert written["task"] == {"text_classification": {"max_length": 8}}
    assert written["strategies"] == [{"clip": {"norm": 2.0}}]
    assert written["stages"] == [{"data": {"train": "(list in memory)"}}, {"data": {"train": "b.csv"}, "training": {"steps": 1}}]
    assert written["seed"] == 3


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    (tmp_path / "a.csv").touch()
    path.write_text(
        "model: m\ntask: text_classification\ndata: {train: a.csv}\nstrategies: [{lora: {rank: 0}}]\nsearch:\n"
        "  space:\n    training.epochs: [1, -2]\n    strategies.lora.rang: [1, 2]\n"
    )
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    first, second, third = caught.value.problems
    assert (first.line, first.message) == (4, "strategies.0.lora.rank must be at least 1, not 0")
    assert (second.line, second.column, second.message) == (7, 5, "training.epochs must be above 0, not -2")
    assert (third.line, third.remedy) == (8, "Did you mean rank?")


def test_whole_strategies_can_vary() -> None:
    recipe = recipe_from(TOP | {"search": {"space": {"strategies": [["lora"], [{"freeze": {"layers": 2}}], []]}}})
    assert recipe.search is not None
    values = recipe.search.dimensions["strategies"]
    assert isinstance(values, list)
    found = [recipe_from(recipe.search.given, overrides({"strategies": value})).strategies for value in values]
    assert [[type(part).__name__ for part in parts] for parts in found] == [["LoRA"], ["Freeze"], []]
