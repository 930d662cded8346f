"""Discovery by file name, and that everything discovered can be written into a recipe."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import MISSING, fields

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.observer import Observer
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Task
from tunesmith.recipes.find import about, did_you_mean, find, name_of, names
from tunesmith.recipes.validate import conform

STRATEGIES = names("strategies")
TASKS = names("tasks")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_names_are_sorted_and_hold_what_the_design_promises() -> None:
    promised = {
        "freeze",
        "unfreeze",
        "layer_rates",
        "lora",
        "bitfit",
        "l2sp",
        "r_drop",
        "label_smoothing",
        "ema",
        "sam",
        "clip",
        "early_stop",
    }
    assert promised <= set(STRATEGIES)
    assert sorted(STRATEGIES) == STRATEGIES
    assert "text_classification" in TASKS


def test_neither_recipes_nor_the_list_of_names_imports_torch() -> None:
    modules = ["aliases", "document", "find", "recipe", "suggest", "validate", "yaml"]
    code = "".join(f"import tunesmith.recipes.{module}\n" for module in modules)
    code += "from tunesmith.recipes.find import about, names\n"
    code += "[about(folder, name) for folder in ('tasks', 'strategies') for name in names(folder)]\n"
    code += "import sys; print([m for m in ('torch', 'transformers', 'numpy', 'pyarrow', 'pydantic', 'ruamel.yaml') if m in sys.modules])"
    assert run(code).strip() == "[]"


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_a_class_named_like_its_file(name: str) -> None:
    kind = find("strategies", name)
    assert issubclass(kind, Strategy | Observer)
    example = kind.example()
    assert isinstance(example, kind)
    assert name_of(example) == name


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_a_class_named_like_its_file(name: str) -> None:
    kind = find("tasks", name)
    assert issubclass(kind, Task)
    task, rows = kind.example()
    assert name_of(task) == name
    assert {column.role for column in task.columns() if column.required} <= rows[0].keys()


@pytest.mark.parametrize(("folder", "name"), [*(("strategies", n) for n in STRATEGIES), *(("tasks", n) for n in TASKS)])
def test_every_setting_has_a_text_a_default_and_a_type_that_can_be_checked(folder: str, name: str) -> None:
    from typing import get_type_hints

    kind = find(folder, name)  # type: ignore[arg-type]
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        assert field.metadata.get("text"), f"{name}.{field.name} does not say what it is"
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        assert default is not MISSING, f"{name}.{field.name} has no default"
        assert conform(hints[field.name], default) == default


@pytest.mark.parametrize(("folder", "name"), [*(("strategies", n) for n in STRATEGIES), *(("tasks", n) for n in TASKS)])
def test_about_is_the_first_line_of_the_docstring(folder: str, name: str) -> None:
    kind = find(folder, name)  # type: ignore[arg-type]
    line = about(folder, name)  # type: ignore[arg-type]
    assert line
    assert (kind.__doc__ or "").startswith(line)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"There is no strategy 'layer_rate'. Did you mean layer_rates or layer_norm\?"):
        find("strategies", "layer_rate")
    with pytest.raises(InputError, match=r"There is no task 'zzz'. Known: .*text_classification"):
        find("tasks", "zzz")


@pytest.mark.parametrize("name", ["../core/clock", "__init__", "os", ""])
def test_only_files_of_the_folder_are_found(name: str) -> None:
    with pytest.raises(InputError):
        find("strategies", name)


def test_a_class_of_the_users_own_is_called_by_its_module() -> None:
    class Mine(Strategy):
        pass

    assert name_of(Mine()).endswith(":test_a_class_of_the_users_own_is_called_by_its_module.<locals>.Mine")


def test_did_you_mean_lists_everything_where_nothing_is_near() -> None:
    assert did_you_mean("lerning_rate", ["learning_rate", "epochs"]) == "Did you mean learning_rate?"
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b"
    assert did_you_mean("zzz", []) == "Known: none"
