"""Recipes from files and from Python: what is read, what is refused, overrides, and writing out in full."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.data.settings import DataSettings
from tunesmith.engine.settings import Training
from tunesmith.recipes.find import find, names
from tunesmith.recipes.recipe import Recipe, read_recipe, recipe_from
from tunesmith.recipes.resolved import resolved

GOOD = """
model: sample:minilm
task: text_classification
data:
  train: reviews.csv
  validation: 10%
  columns: {text: review, label: stars}
strategies:
  - freeze: {layers: 4}
  - r_drop
  - early_stop: {patience: 2}
training: {epochs: 2, learning_rate: 5e-5, warmup: 6%, save_every: 200, evaluate_every: 1}
seed: 3
baselines: off
"""
SMALL: dict[str, Any] = {"model": "m", "task": "text_classification", "data": {"train": "x.csv"}}


def file(folder: Path, text: str) -> Path:
    path = folder / "stars.yaml"
    path.write_text(text)
    for data in ("reviews.csv", "x.csv"):
        (folder / data).touch()
    return path


def refused(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_recipe(file(folder, text), overrides)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_the_recipe_of_the_design(tmp_path: Path) -> None:
    recipe = read_recipe(file(tmp_path, GOOD))
    assert (recipe.name, recipe.model, recipe.seed, recipe.baselines) == ("stars", "sample:minilm", 3, False)
    assert recipe.base_folder == tmp_path.resolve()
    assert recipe.task == find("tasks", "text_classification")()
    assert recipe.data == DataSettings(train="reviews.csv", validation="10%", columns={"text": "review", "label": "stars"})
    assert recipe.strategies == [find("strategies", "freeze")(layers=4), find("strategies", "r_drop")()]
    assert recipe.watch == [find("strategies", "early_stop")(patience=2)]
    assert recipe.training == Training(epochs=2.0, learning_rate=5e-5, save_every=Span(200, "st"), seed=3)


def test_the_smallest_recipe_has_defaults() -> None:
    recipe = recipe_from(SMALL)
    assert (recipe.name, recipe.strategies, recipe.watch) == ("text_classification", [], [])
    assert recipe.training == Training()
    assert recipe.baselines
    assert recipe.base_folder == Path.cwd()


def test_python_objects_are_the_same_as_what_is_written() -> None:
    freeze, early_stop = find("strategies", "freeze"), find("strategies", "early_stop")
    written = recipe_from(
        {**SMALL, "strategies": [{"freeze": {"layers": 1}}, "early_stop"], "training": {"steps": 9, "warmup": 2}, "seed": 5}
    )
    objects = recipe_from(
        {
            **SMALL,
            "task": find("tasks", "text_classification")(),
            "data": DataSettings(train="x.csv"),
            "strategies": (freeze(layers=1), early_stop()),
            "training": Training(steps=9, warmup="2st"),  # type: ignore[arg-type]
            "seed": 5,
        }
    )
    assert objects == written


def test_training_arguments_of_hugging_face_make_a_recipe() -> None:
    smoothing, clip = find("strategies", "label_smoothing"), find("strategies", "clip")
    arguments = {"num_train_epochs": 2, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "optim": "sgd", "bf16": True}
    arguments |= {"lr_scheduler_type": "polynomial", "warmup_ratio": 0.1, "save_total_limit": 3, "save_steps": 100, "eval_steps": 0.5}
    arguments |= {"max_grad_norm": 1.0, "label_smoothing_factor": 0.2, "max_seq_length": 64, "seed": 4, "logging_steps": 5}
    recipe = recipe_from({**SMALL, "training": arguments, "strategies": ["ema"]})
    assert recipe.training == Training(
        epochs=2, batch_size=32, optimizer="sgd", momentum=0.0, precision="bfloat16", schedule="polynomial", power=1.0, keep=3, seed=4,
        warmup=Span(10, "%"), save_every=Span(100, "st"), evaluate_every=Span(50, "%"), log_every=5,
    )  # fmt: skip
    assert recipe.strategies[:2] == [clip(norm=1.0), smoothing(strength=0.2)]
    assert recipe.task.settings()["max_length"] == 64


def test_an_object_of_a_recipe_is_its_own() -> None:
    task = find("tasks", "text_classification")()
    recipe = recipe_from({**SMALL, "task": task})
    recipe.task.labels = ["learned"]  # type: ignore[attr-defined]
    assert task.labels == []


def test_a_model_folder_is_looked_up_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    assert recipe_from({**SMALL, "model": "tuned"}, base_folder=tmp_path).model_spec == str(tmp_path / "tuned")
    assert recipe_from({**SMALL, "model": "org/name"}, base_folder=tmp_path).model_spec == "org/name"


def test_everything_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    text = """\
modl: x
task: text_clasification
data:
  trian: x.csv
  epochs: 3
strategies:
  - freeze: {layer: 4}
  - lra
  - my.module:Mine
  - [1]
training:
  epochs: -1
  model: 3
  warmup: 0.1
lora: {rank: 8}
seed: -3
name: a/b
baselines: maybe
"""
    known = ", ".join(names("strategies"))
    for line, expected in zip(
        refused(tmp_path, text),
        [
            "stars.yaml: model is missing. Add model: a hub id, a folder, a .gguf file, package:module/path or sample:minilm; or two",
            "stars.yaml:1 1: There is no setting 'modl' in the recipe. Did you mean model?",
            "stars.yaml:2 1: There is no task 'text_clasification'. Did you mean text_classification",
            "stars.yaml:3 1: data.train is missing. Add train: rows to learn from",
            "stars.yaml:4 3: There is no setting 'trian' in data. Did you mean train?",
            "stars.yaml:5 3: There is no setting 'epochs' in data. It belongs under training.",
            "stars.yaml:7 14: There is no setting 'layer' in strategies.0.freeze. Did you mean layers?",
            "stars.yaml:8 5: There is no strategy 'lra'. Did you mean lora or qlora?",
            "stars.yaml:9 5: 'my.module:Mine' is code of your own, which no recipe file may run. Give the object",
            f"stars.yaml:10 5: strategies.3 must be a name or name: {{settings}}. Known: {known[:40]}",
            "stars.yaml:12 3: training.epochs must be above 0, not -1. Passes over the training rows.",
            "stars.yaml:13 3: There is no setting 'model' in training. It belongs at the top.",
            "stars.yaml:14 3: training.warmup must be whole steps, or a share of the run: 10%, not 0.1.",
            "stars.yaml:15 1: There is no setting 'lora' in the recipe. It belongs under strategies.",
            "stars.yaml:16 1: seed must be at least 0, not -3.",
            "stars.yaml:18 1: baselines must be on or off, not 'maybe'.",
        ],
        strict=True,
    ):
        assert line.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["stars.yaml: model is missing", "stars.yaml: task is missing", "stars.yaml: data is missing"]),
        ("- model", ["stars.yaml: A recipe is a mapping of keys. Begin with model:, task: and data:."]),
        (GOOD.replace("name", ""), []),
        (f"name: a/b\n{GOOD}", ["stars.yaml:1 1: 'a/b' cannot be the name of a folder. Use letters, digits and - _ ."]),
        (GOOD.replace("epochs: 2", "num_train_epoch: 2"), ["num_train_epoch' in training. Did you mean num_train_epochs?"]),
        (
            GOOD.replace("seed: 3", "learning_rat: 3"),
            ["'learning_rat' in the recipe. Did you mean learning_rate? It belongs under training."],
        ),
        (GOOD.replace("seed: 3", "stages: []"), ["stages must be a list of at least one stage."]),
        (GOOD.replace("layers: 4", "layers: 4, max_length: 3"), ["'max_length' in strategies.0.freeze. Known: embeddings, "]),
        (GOOD.replace("epochs: 2", "epochs: 2, momentum: 0.9"), ["training.momentum is not read where optimizer is adamw."]),
        (GOOD.replace("epochs: 2", "epochs: 2, steps: 9"), ["training.epochs is not read where steps is 9. Take one of the two out."]),
        (GOOD.replace("epochs: 2", "num_train_epochs: 0"), ["training.num_train_epochs must be above 0, not 0"]),
        (
            "model: m\ntask: 3\ndata: 3\nstrategies: ema\ntraining: []",
            ["task must be a name", "data must be a", "strategies must be a list", "training must be a"],
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, expected: list[str]) -> None:
    if not expected:
        read_recipe(file(tmp_path, text))
        return
    for line, words in zip(refused(tmp_path, text), expected, strict=True):
        assert words in line


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.epochs=5", lambda recipe: recipe.training.epochs == 5.0),
        ("training={epochs: null, steps: 40}", lambda recipe: recipe.training.steps == 40),
        ("training.steps=7", lambda recipe: recipe.training.steps == 7),  # which takes the place of epochs
        ("training.warmup=50st", lambda recipe: recipe.training.warmup == Span(50, "st")),
        ("data.train=*.csv", lambda recipe: recipe.data.train == "*.csv"),
        ("data.train=[a.csv, b.csv]", lambda recipe: recipe.data.train == ["a.csv", "b.csv"]),
        ("data.test=", lambda recipe: recipe.data.test is None),
        ("data.columns.text=a=b", lambda recipe: recipe.data.columns == {"text": "a=b", "label": "stars"}),
        ("task.max_length=64", lambda recipe: recipe.task.max_length == 64),
        ("strategies.freeze.layers=2", lambda recipe: recipe.strategies[0].layers == 2),
        ("strategies.0.freeze.layers=2", lambda recipe: recipe.strategies[0].layers == 2),
        ("strategies.1=ema", lambda recipe: type(recipe.strategies[1]).__name__ == "EMA"),
        ("strategies.early_stop.patience=9", lambda recipe: recipe.watch[0].patience == 9),
        ("strategies=[]", lambda recipe: recipe.strategies == recipe.watch == []),
        ("training.max_grad_norm=0.5", lambda recipe: recipe.strategies[0].norm == 0.5),
        ("seed=9", lambda recipe: recipe.seed == 9),
        ("name=other", lambda recipe: recipe.name == "other"),
    ],
)
def test_overrides(tmp_path: Path, override: str, value: Any) -> None:
    assert value(read_recipe(file(tmp_path, GOOD), [override]))


def test_overrides_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, GOOD, "training.epochs=3", "training.steps=7")
    assert line.startswith("training.epochs=3: training.epochs is not read")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", "'training.epochs' is no override. Write key.path=value, training.epochs=5 for example."),
        ("training..epochs=5", "'training..epochs=5' is no override."),
        ("training.epochs=many", "training.epochs=many: training.epochs must be a number, not 'many'."),
        ("trainin.epochs=5", "trainin.epochs=5: There is no setting 'trainin' in the recipe. Did you mean training?"),
        ("epochs=5", "epochs=5: There is no setting 'epochs' in the recipe. It belongs under training."),
        ("strategies.lora.rank=5", "strategies.lora.rank=5: The recipe has no strategy 'lora'. Add it to the list under strategies."),
        ("strategies.fredge.layers=5", "strategies.fredge.layers=5: The recipe has no strategy 'fredge'. Did you mean freeze?"),
        ("strategies.loraa={}", "strategies.loraa={}: There is no strategy 'loraa'. Did you mean lora or qlora?"),
        ("training.epochs=null", "training.epochs=null: training.epochs must be a number, not null."),
        ("strategies.8=ema", "strategies.8=ema: There is nothing at '8'. Correct the path of the key."),
        ("model.name=5", "model.name=5: There is nothing at 'name'."),
        ("training.num_train_epochs=5", "training.num_train_epochs=5: training.num_train_epochs and training.epochs say the same."),
    ],
)
def test_overrides_that_are_refused(tmp_path: Path, override: str, message: str) -> None:
    lines = refused(tmp_path, GOOD, override)
    assert len(lines) == 1
    assert lines[0].startswith(message)


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_override_is_taken_or_refused(overrides: list[str]) -> None:
    try:
        recipe_from(SMALL, overrides)
    except InputError:
        return
    assert not overrides


@dataclass
class Mine(Strategy):
    """A strategy that is no file of the package."""

    strength: float = setting(1.0, "how much", low=0)


class Plain(Strategy):
    """Not a dataclass."""


def test_a_strategy_of_the_users_own_runs_from_python_alone(tmp_path: Path) -> None:
    recipe: Recipe = recipe_from({**SMALL, "strategies": [Mine(2)]})
    assert recipe.strategies == [Mine(2.0)]
    (line,) = refused(tmp_path, resolved(replace(recipe, base_folder=tmp_path)))
    assert "code of your own" in line


def test_a_strategy_of_the_users_own_is_checked() -> None:
    with pytest.raises(InputError) as caught:
        recipe_from({**SMALL, "strategies": [Mine(-1), Plain()]})
    assert [str(problem) for problem in caught.value.problems] == [
        "strategies.0.strength must be at least 0, not -1. How much.",
        "Plain is no dataclass. Write @dataclass above it: its fields are its settings.",
    ]


def test_every_field_of_training_says_what_it_is() -> None:
    known = {field.name for field in fields(Training)}
    assert all(field.metadata["text"] for field in fields(Training))
    for name, (other, values) in Training.applies.items():
        assert {name, other} <= known
        assert values
