"""Recipes of several stages: what a stage takes over, what is refused, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.recipes.recipe import read_recipe, recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.recipes.stages import FORM
from tunesmith.recipes.yaml import parse

TOP: dict[str, Any] = {"model": "m", "task": "text_classification", "data": {"train": "a.csv", "validation": "20%"}, "seed": 3}


def test_a_stage_says_what_differs_and_takes_over_the_rest() -> None:
    stages = [{"data": {"train": "b.csv"}}, {"name": "last", "task": {"text_classification": {"max_length": 9}}, "strategies": ["ema"]}]
    recipe = recipe_from(TOP | {"stages": stages, "training": {"epochs": 2, "batch_size": 4}})
    first, last = recipe.stages
    assert (first.data.train, first.data.validation, first.training.batch_size, first.seed) == ("b.csv", "20%", 4, 3)
    assert (first.name, last.name) == ("text_classification", "last")
    assert last.task.settings()["max_length"] == 9
    assert len(last.strategies) == 1
    assert not first.strategies
    assert (recipe.task, recipe.sequence) == (last.task, False)


def test_steps_take_the_place_of_epochs_either_way() -> None:
    recipe = recipe_from(TOP | {"training": {"epochs": 2}, "stages": [{"training": {"steps": 5}}, {}]})
    assert [stage.training.steps for stage in recipe.stages] == [5, None]
    recipe = recipe_from(TOP | {"training": {"steps": 5}, "stages": [{"training": {"epochs": 1}}, {}]})
    assert [(stage.training.steps, stage.training.epochs) for stage in recipe.stages] == [(None, 1.0), (5, 3.0)]


@pytest.mark.parametrize("key", ["stages", "sequence"])
def test_it_reads_back(key: str) -> None:
    stages = [{"data": {"train": "b.csv"}}, {"strategies": [{"freeze": {"layers": 1}}, "early_stop"], "training": {"steps": 2}}]
    recipe = recipe_from(TOP | {key: stages, "name": "whole"})
    for write in (resolved, shortened):
        again = recipe_from(parse(write(recipe), "")[0])
        assert again == recipe
        assert recipe_hash(again) == recipe_hash(recipe)
    assert recipe_hash(recipe) != recipe_hash(recipe_from(TOP | {key: stages[::-1], "name": "whole"}))


def test_a_stage_of_a_sequence_is_called_by_its_data() -> None:
    data = [{"data": {"train": train}} for train in ("sub/tweets.csv", "sample:reviews/train", "c d.csv")]
    assert [stage.name for stage in recipe_from(TOP | {"data": {}, "sequence": data}).stages] == ["tweets", "train", "c-d"]


def test_everything_that_is_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    (tmp_path / "a.csv").touch()
    file.write_text(
        "model: m\nnam: x\ntask: text_classification\ndata: {train: a.csv}\nsequence:\n"
        "  - task: ranking\n  - data: {trian: b.csv}\n    training: {steps: no}\n"
        "  - 7\n  - {strategies: [{freeze: {layerz: 2}}], seed: 3}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        read_recipe(file)
    assert [(problem.line, problem.message) for problem in caught.value.problems] == [
        (2, "There is no setting 'nam' in the recipe"),
        (6, "There is no setting 'task' in sequence.0"),
        (7, "There is no setting 'trian' in sequence.1.data"),
        (8, "sequence.1.training.steps must be a whole number, not 'no'"),
        (9, "sequence.2 must be a mapping of keys"),
        (10, "There is no setting 'layerz' in sequence.3.strategies.0.freeze"),
        (10, "There is no setting 'seed' in sequence.3"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stages": []}, "stages must be a list of at least one stage"),
        ({"sequence": "abc"}, "sequence must be a list"),
        ({"stages": [{}], "sequence": [{}]}, "stages and sequence exclude each other"),
        (
            {"stages": [{"training": {"epochs": 1}}], "training": {"epochs": 2}},
            r"training\.epochs is not read.*stages\.0\.training\.epochs",
        ),
        ({"stages": [{"strategies": []}], "strategies": ["ema"]}, "strategies is not read"),
        ({"stages": [{"name": "a/b"}]}, "cannot be the name of a folder"),
        ({"stages": [{}], "name": "a/b"}, "cannot be the name of a folder"),
        ({"stages": [{"strategys": []}]}, r"no setting 'strategys' in stages\.0\. Did you mean strategies"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        recipe_from(TOP | given)


@pytest.mark.parametrize("key", ["stages", "sequence", "tasks"])
def test_a_list_of_nothing_is_told_alone(key: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe_from({"model": "m", key: None})
    assert [problem.message.partition(" of ")[0] for problem in caught.value.problems] == [f"{key} must be a {FORM[key][0].split()[1]}"]


def test_a_model_within_a_stage_is_told_alone() -> None:
    given = {name: value for name, value in TOP.items() if name != "model"}
    with pytest.raises(InputError) as caught:
        recipe_from(given | {"stages": [{"model": "m", "data": {"train": "b.csv"}}, {}]})
    assert [str(problem) for problem in caught.value.problems] == [
        "There is no setting 'model' in stages.0. It holds for all of them: write it at the top."
    ]


def test_a_stage_can_be_changed_on_the_command_line() -> None:
    recipe = recipe_from(TOP | {"stages": [{}, {"training": {"epochs": 2}}]}, ["stages.1.training.epochs=7", "training.batch_size=2"])
    assert [(stage.training.epochs, stage.training.batch_size) for stage in recipe.stages] == [(3.0, 2), (7.0, 2)]


def test_the_steps_of_a_stage_take_the_place_of_its_epochs() -> None:
    recipe = recipe_from(TOP | {"stages": [{}, {"training": {"epochs": 2}}]}, ["stages.1.training.steps=7"])
    assert recipe.stages[1].training.steps == 7
