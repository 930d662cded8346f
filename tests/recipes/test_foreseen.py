"""What is told of a recipe before data and model are read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from tunesmith.core.errors import InputError
from tunesmith.recipes.find import find, names
from tunesmith.recipes.foreseen import absent_beside
from tunesmith.recipes.recipe import read_recipe, recipe_from
from tunesmith.recipes.resolved import shortened

SMALL: dict[str, Any] = {"model": "m", "task": "text_classification", "data": {"train": "x.csv"}}


def refused(folder: Path, **keys: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        recipe_from({**SMALL, **keys}, base_folder=folder)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_conflicts_and_wrong_settings_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    rank, shipped, learns = refused(tmp_path, strategies=["ema", "swa", "layer_norm", "bitfit", {"lora": {"rank": -1}}])
    assert rank.startswith("strategies.4.lora.rank must be at least 1")
    assert shipped.startswith("strategies.1.swa: 'ema' and 'swa' both decide on which weights are shipped")
    assert learns.startswith("strategies.3.bitfit: 'layer_norm' and 'bitfit' both decide on")


def test_needs_are_told_where_all_strategies_are_known(tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    (line,) = refused(tmp_path, strategies=["grad_norm"])
    assert line.startswith("strategies.0.grad_norm: 'grad_norm' needs several tasks")
    (line,) = refused(tmp_path, strategies=["grad_norm", {"lora": {"rank": -1}}])
    assert line.startswith("strategies.1.lora.rank")
    tasks = {name: {"task": "text_classification", "data": {"train": "x.csv"}} for name in ("one", "other")}
    assert recipe_from({"model": "m", "tasks": tasks, "strategies": ["grad_norm"]}, base_folder=tmp_path).tasks


def test_what_is_not_there_joins_what_else_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "model: ../m/brt\ntask: text_classification\n"
        "data:\n  train: nope.csv\n  validation: 1.5\n  test: sample:sentiment/test\ntraining: {epochs: 2}\n"
    )
    assert read_recipe(path).model == "../m/brt"
    with pytest.raises(InputError) as caught:
        read_recipe(path, ["training.epochs=-1"])
    found = [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]
    starts = [
        "r.yaml:1 1: model: There is no folder ../m/brt.",
        "r.yaml:4 3: data.train: nope.csv: there is no such file.",
        "r.yaml:5 3: data.validation: '1.5' is not a share",
        "training.epochs=-1: training.epochs must be above 0",
    ]
    assert all(line.startswith(start) for line, start in zip(found, starts, strict=True))


def test_further_tests_are_written_out_and_refused_where_they_stand(tmp_path: Path) -> None:
    recipe = recipe_from({**SMALL, "data": {"train": "x.csv", "tests": {"target": "y.csv", "rows": [{"text": "a"}]}}})
    assert recipe.data.tests["rows"] == [{"text": "a"}]
    assert "tests:\n    target: y.csv\n    rows: (list in memory)\n" in shortened(recipe)
    path = tmp_path / "r.yaml"
    for written, problem in (
        ("{test: y.csv}", "r.yaml:5 11: 'test' is that of other rows. Use another, of letters, digits, - and _."),
        ("{a/b: y.csv}", "r.yaml:5 11: 'a/b' cannot be the name of rows. Use another, of letters, digits, - and _."),
        ("{b: 10%}", "r.yaml:5 11: only validation and test can be a share of the training rows. Name a file."),
        ("y.csv", "r.yaml:5 3: data.tests must be a mapping (a text to any value), not 'y.csv'. Further rows to judge by"),
    ):
        path.write_text(f"model: m\ntask: text_classification\ndata:\n  train: x.csv\n  tests: {written}\n", encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_recipe(path)
        assert str(caught.value.problems[0]).replace(f"{tmp_path}/", "").startswith(problem)
    path.write_text("model: m\ntask: text_classification\ndata:\n  train: x.csv\n", encoding="utf-8")
    assert read_recipe(path, ["data.tests.target=z.csv"]).data.tests == {"target": "z.csv"}


def beside(*strategies: Any, coming: tuple[str, ...] = (), **task: Any) -> list[str]:
    recipe = recipe_from({**SMALL, "strategies": strategies, "task": task.get("task", "text_classification")})
    return [str(problem) for problem in absent_beside(recipe.strategies, recipe.task, coming)]


def test_rows_runs_and_models_of_strategies_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "old").mkdir(parents=True)
    (tmp_path / "runs" / "old" / "recipe.resolved.yaml").touch()
    (tmp_path / "texts").mkdir()
    for name in ("there.txt", "texts/january.txt"):
        (tmp_path / name).write_text("a text", encoding="utf-8")
    there: list[Any] = [
        *({"replay": {"past": past}} for past in ("auto", "old", "runs/old")),
        *({"self_training": {"unlabelled": rows}} for rows in ("there.txt", "texts", "sample:sentiment", ["a text"], [{"text": "a"}])),
        *({"distil": {"teacher": teacher}} for teacher in ("", "old", "some/hub-id", "sample:minilm")),
    ]
    assert [beside(strategy) for strategy in there] == [[]] * len(there)
    past, teacher = beside("clip", {"gem": {"past": "gone.csv"}}, {"distil": {"teacher": "a/b/gone"}})
    assert past.startswith("strategies.1.gem.past: gone.csv: there is no such file")
    assert teacher.startswith("strategies.2.distil.teacher: There is no folder a/b/gone")
    (target,) = beside({"mmd": {"target": ["a.txt", "there.txt"]}})
    assert target.startswith("strategies.0.mmd.target: a.txt: there is no such file")
    assert beside({"distil": {"teacher": "runs/new/1-first"}})
    assert not beside({"distil": {"teacher": "runs/new/1-first"}}, coming=("1-first",))
    (generator,) = beside(task={"replaced_token_detection": {"generator": "./gone"}})
    assert generator.startswith("task.generator: There is no folder")


@pytest.mark.parametrize("name", names("strategies"))
def test_a_setting_of_any_value_names_rows(name: str) -> None:
    kind = find("strategies", name)
    hints = get_type_hints(kind, include_extras=True)
    assert all("rows" in field.metadata["text"] for field in fields(kind) if hints[field.name] is Any)
