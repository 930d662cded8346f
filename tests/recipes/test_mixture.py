"""Recipes of several tasks: what each takes over, what is refused, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.recipes.recipe import read_recipe, recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.recipes.yaml import parse

TASKS: dict[str, Any] = {
    "topics": {"task": "text_classification", "data": {"train": "a.csv"}},
    "tags": {"task": {"token_classification": {"max_length": 9}}, "data": {"train": "b.conll", "test": "c.conll"}, "weight": 0.5},
    "words": {"task": "masked_language_modelling", "data": {"train": "d.txt"}, "auxiliary": True},
}
TOP: dict[str, Any] = {"model": "m", "data": {"validation": "20%"}, "tasks": TASKS, "seed": 3, "training": {"epochs": 2}}
MIXING = {"by": "weights", "weights": {"topics": 2.0, "tags": 1.0, "words": 1.0}}


def of_topics(strategies: Any, **others: dict[str, Any]) -> dict[str, Any]:
    """The tasks, where topics have strategies of their own and ``others`` are told more."""
    changed = {"topics": {"strategies": strategies}, **others}
    return {"tasks": {name: task | changed.get(name, {}) for name, task in TASKS.items()}}


def test_a_task_says_what_differs_and_takes_over_the_rest() -> None:
    recipe = recipe_from(TOP | {"strategies": ["pcgrad"]})
    topics, tags, words = recipe.tasks.values()
    assert [part.name for part in recipe.tasks.values()] == list(TASKS)
    assert (topics.data.train, topics.data.validation, topics.seed, topics.training.epochs) == ("a.csv", "20%", 3, 2)
    assert tags.task.settings()["max_length"] == 9
    assert (tags.membership.weight, tags.membership.auxiliary) == (0.5, False)
    assert (words.membership.auxiliary, words.data.validation, words.data.test) == (True, None, None)
    assert recipe.mixing is not None
    assert recipe.mixing.by == "size"
    assert (recipe.name, len(recipe.strategies)) == ("tasks", 1)
    shared = recipe_from(
        {"model": "m", "task": "text_classification", "tasks": {"a": {"data": {"train": "a"}}, "b": {"data": {"train": "b"}}}}
    )
    assert [type(part.task).__name__ for part in shared.tasks.values()] == ["TextClassification"] * 2


def test_it_reads_back() -> None:
    recipe = recipe_from(TOP | {"mixing": MIXING, "name": "whole", "strategies": [{"uncertainty": {"rate": 5.0}}, "early_stop"]})
    for write in (resolved, shortened):
        again = recipe_from(parse(write(recipe), "")[0])
        assert again == recipe
        assert recipe_hash(again) == recipe_hash(recipe)
    assert recipe_hash(recipe) != recipe_hash(recipe_from(TOP | {"name": "whole"}))


def test_places_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "model: m\ntasks:\n  topics: {task: text_classification, data: {trian: a.csv}}\n  tags:\n    task: token_classification\n"
        "    data: {train: b.conll}\n    wieght: 2\n    auxiliary: 3\n    training: {epochs: 1}\n"
        "mixing: {by: weights, weights: {topic: 1}}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        read_recipe(file)
    found = {(problem.line, problem.message) for problem in caught.value.problems}
    assert (3, "There is no setting 'trian' in tasks.topics.data") in found
    assert (7, "There is no setting 'wieght' in tasks.tags") in found
    assert (9, "There is no setting 'training' in tasks.tags") in found
    assert (10, "There is no task 'topic' to weigh") in found
    assert (10, "mixing.weights says nothing of task tags") in found
    assert any(line == 8 and message.startswith("tasks.tags.auxiliary must be on or off") for line, message in found)
    file.write_text("model: m\ntasks:\n  a: {task: text_classification, data: {train: a.csv}}\n", encoding="utf-8")
    changed = read_recipe(file, ["tasks.a.data.train=b.csv", "tasks.a.weight=3", "tasks.a.task.max_length=8"])
    part = changed.tasks["a"]
    assert (part.data.train, part.membership.weight, part.task.settings()["max_length"]) == ("b.csv", 3.0, 8)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"tasks": {}}, r"tasks must be a mapping of at least one task.*topics: \{task:"),
        ({"tasks": [{}]}, "tasks must be a mapping"),
        ({"tasks": {"a": 7}}, r"tasks\.a must be a mapping of keys"),
        ({"tasks": {"a/b": TASKS["topics"]}}, "'a/b' cannot be the name of a task"),
        ({"tasks": {"words": TASKS["words"]}}, "every task is auxiliary"),
        ({"tasks": TASKS | {"tags": TASKS["tags"] | {"auxiliary": True}}}, r"tasks\.tags\.data\.test is not read: the task is auxiliary"),
        ({"tasks": TASKS | {"tags": TASKS["tags"] | {"weight": 0}}}, r"tasks\.tags\.weight must be above 0"),
        ({"tasks": TASKS | {"words": TASKS["words"] | {"same_pass_as": "topic"}}}, "no task 'topic' whose passes words could.*topics"),
        ({"tasks": TASKS | {"words": TASKS["words"] | {"same_pass_as": "words"}}}, "it is that task itself. Name one of topics, tags"),
        (
            {"tasks": {name: told | {"same_pass_as": {"tags": "topics"}.get(name, "tags")} for name, told in TASKS.items()}},
            "words cannot share the passes of tags: tags is wrong itself, or shares those of another",
        ),
        (
            {"tasks": TASKS | {"words": TASKS["words"] | {"same_pass_as": "topics"}}, "mixing": MIXING},
            r"mixing\.weights\.words is not read: it learns from the passes of topics",
        ),
        ({"stages": [{}]}, "stages and tasks exclude each other"),
        ({"task": "text_classification"}, "task is not read: each part has its own"),
        ({"mixing": {"by": "luck"}}, "mixing.by must be size or temperature or equal or weights or annealed"),
        ({"mixing": {"temperature": 3}}, "mixing.temperature is not read where by is size"),
        ({"tasks": None, "task": "text_classification", "data": {"train": "a"}, "mixing": {"by": "equal"}}, "mixing is not read"),
        ({"strategies": "auto"}, "auto chooses for one task"),
        (of_topics("auto"), r"tasks\.topics\.strategies must be a list\. Write"),
        (of_topics(["freez"]), "There is no strategy 'freez'"),
        (
            of_topics([{"freeze": {"layers": 1}}]),
            r"tasks\.topics\.strategies\.0\.freeze: 'freeze' does not change the rows",
        ),
        (
            of_topics(["augment", "early_stop"]),
            r"\.1\.early_stop: 'early_stop' does not change.*Write it under strategies at the top",
        ),
        (of_topics(["few_shot"]), "'few_shot' does not change.*but the training of all. Train the task in a run of its own for it"),
        (of_topics(["mixup", "mixup"]), r"tasks\.topics\.strategies\.1\.mixup: 'mixup' and 'mixup' both decide on"),
        (of_topics(["image_augment"]), "'image_augment' needs images, which task 'text_classification' has not"),
        (of_topics([{"augment": {"share": 2}}]), r"tasks\.topics\.strategies\.0\.augment\.share must be"),
        (
            of_topics(["augment"], words={"same_pass_as": "topics"}),
            "topics shares its passes with words, and what changes one of them would change the other. Take out same_pass_as",
        ),
    ],
)
def test_what_makes_no_mixture_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_from({key: value for key, value in (TOP | keys).items() if value is not None})


def test_a_task_that_shares_passes_needs_no_weight_among_rows_and_reads_back() -> None:
    tasks = TASKS | {"words": TASKS["words"] | {"same_pass_as": "topics"}}
    recipe = recipe_from(TOP | {"tasks": tasks, "name": "whole", "mixing": {"by": "weights", "weights": {"topics": 2.0, "tags": 1.0}}})
    assert recipe.tasks["words"].membership.same_pass_as == "topics"
    for write in (resolved, shortened):
        assert recipe_from(parse(write(recipe), "")[0]) == recipe


def test_a_task_may_have_strategies_of_its_own(tmp_path: Path) -> None:
    given = (
        TOP | {"name": "whole", "strategies": ["clip"]} | of_topics(["augment", {"focal": {"gamma": 3.0}}], tags={"strategies": ["r_drop"]})
    )
    recipe = recipe_from(given)
    names = {name: [type(part).__name__ for part in task.all_strategies] for name, task in recipe.tasks.items()}
    assert names == {"topics": ["Clip", "Augment", "Focal"], "tags": ["Clip", "RDrop"], "words": ["Clip"]}
    assert [type(part).__name__ for part in recipe.all_strategies] == ["Clip"]
    for write in (resolved, shortened):
        assert recipe_from(parse(write(recipe), "")[0]) == recipe
    assert recipe_hash(recipe) != recipe_hash(recipe_from(given | of_topics(["augment"])))
    file = tmp_path / "recipe.yaml"
    file.write_text(shortened(recipe), encoding="utf-8")
    changed = read_recipe(file, ["tasks.topics.strategies.focal.gamma=1.5"])
    assert changed.tasks["topics"].membership.strategies[1].gamma == 1.5
    with pytest.raises(InputError, match="The recipe has no strategy 'augment'"):
        read_recipe(file, ["tasks.tags.strategies.augment.share=1"])


def test_each_task_may_be_trained_alone_too() -> None:
    recipe = recipe_from(TOP | {"single_task": True, "name": "whole"})
    assert recipe.single_task
    assert not recipe.tasks["tags"].single_task
    for write in (resolved, shortened):
        assert recipe_from(parse(write(recipe), "")[0]) == recipe
    assert recipe_hash(recipe) != recipe_hash(recipe_from(TOP | {"single_task": False, "name": "whole"}))
    with pytest.raises(InputError, match="single_task must be on or off, not 3"):
        recipe_from(TOP | {"single_task": 3})
    with pytest.raises(InputError, match="single_task is not read: the recipe has not several tasks"):
        recipe_from({"model": "m", "task": "text_classification", "data": {"train": "a.csv"}, "single_task": True})
