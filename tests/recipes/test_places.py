"""The places of settings that are found wrong late: once data are read, and once the model is there."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny
from tunesmith.checking import check
from tunesmith.core.errors import InputError, Problem
from tunesmith.recipes.places import place_of, placing
from tunesmith.recipes.recipe import Recipe, read_recipe, recipe_from

RECIPE = """\
model: bert
task: text_classification
data:
  train: rows.csv
strategies:
  - early_stop
  - freeze: {layers: 4}
  - lora: {targets: [qurey]}
  - consistency: {unlabelled: nope.jsonl}
"""


def written(folder: Path, text: str = RECIPE) -> Path:
    path = folder / "r.yaml"
    path.write_text(text, encoding="utf-8")
    rows = "".join(f"film {i},{'no' if i % 2 else 'yes'}\n" for i in range(16))
    (folder / "rows.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    return path


def told(recipe: Recipe, folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        check(recipe, lambda _: None)
    return [str(problem).replace(f"{folder.resolve()}/", "") for problem in caught.value.problems]


def test_what_is_wrong_with_strategies_is_told_at_once_in_their_order(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    assert told(read_recipe(written(tmp_path)), tmp_path) == [
        "r.yaml:7 5: freeze: 4 layers cannot be frozen, the model has 3. Give 0 to 3.",
        "r.yaml:8 5: lora: No parameter matches 'qurey'. Did you mean 'query'?",
        "r.yaml:9 5: consistency: nope.jsonl: there is no such file. Check the path.",
    ]
    first = told(read_recipe(written(tmp_path), ["strategies.freeze.layers=5"]), tmp_path)[0]
    assert first.startswith("strategies.freeze.layers=5: freeze: 5 layers cannot be frozen")


def test_an_override_that_is_the_setting_itself_names_it_once(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    (line,) = told(read_recipe(written(tmp_path, RECIPE.partition("strategies")[0]), ["training.precision=float16"]), tmp_path)
    assert line == "training.precision=float16: float16 cannot be trained on cpu. Write training.precision: auto."


def test_a_recipe_without_a_file_names_the_setting(tmp_path: Path) -> None:
    tiny.folder(tmp_path)
    rows = [{"text": f"film {i}", "label": f"{i % 2}"} for i in range(16)]
    keys = {"model": "bert", "task": "text_classification", "data": {"train": rows}, "strategies": [{"freeze": {"layers": 4}}]}
    (line,) = told(recipe_from(keys, base_folder=tmp_path), tmp_path)
    assert line.startswith("strategies.0.freeze: 4 layers cannot be frozen")


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        ("rows.csv", "rows.csv\n  validation: 1.5", "r.yaml:5 3: data.validation: '1.5' is not a share of the training rows"),
        ("rows.csv", "rows.csv\n  columns: {txt: text}", "r.yaml:5 13: data.columns.txt: 'txt' is not a column of this task"),
        ("text_classification", "{text_classification: {class_weights: {y: 2}}}", "r.yaml:2 30: task.class_weights: 'y' is no label"),
        ("rows.csv", "row.csv", "r.yaml:4 3: data.train: row.csv: there is no such file. Did you mean 'rows.csv'?"),
        ("model: bert", "model: ../m/brt", "r.yaml:1 1: model: There is no folder ../m/brt"),
    ],
)
def test_data_task_and_model_have_their_place(tmp_path: Path, old: str, new: str, start: str) -> None:
    assert told(read_recipe(written(tmp_path, RECIPE.replace(old, new))), tmp_path)[0].startswith(start)


def test_a_setting_that_is_refused_by_its_task_has_its_own_place(tmp_path: Path) -> None:
    text = RECIPE.replace("text_classification", "{text_classification: {class_weights: gud}}")
    with pytest.raises(InputError, match=r"r\.yaml:2 30: task\.class_weights cannot be 'gud'"):
        read_recipe(written(tmp_path, text))


def test_two_wrong_paths_need_one_run(tmp_path: Path) -> None:
    text = RECIPE.replace("rows.csv", "row.csv").replace("bert", "../m/brt")
    data, model = told(read_recipe(written(tmp_path, text)), tmp_path)
    assert data.startswith("r.yaml:4 3: data.train: row.csv")
    assert model.startswith("r.yaml:1 1: model: There is no folder ../m/brt")


def test_a_row_of_a_file_keeps_its_place(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path))
    assert place_of("training.epochs", recipe).file.endswith("r.yaml")
    with pytest.raises(InputError, match=r"^a\.csv:3: it is empty\.$"), placing(recipe):
        raise InputError(Problem("it is empty", file="a.csv", line=3).about("data"))
