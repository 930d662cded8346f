"""What would keep a later stage from beginning is told before the first is trained, and what would not is let through."""

from __future__ import annotations

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from runs import Train, rows
from tunesmith.checking import some
from tunesmith.core.errors import InputError
from tunesmith.data.encode import encode
from tunesmith.data.load import load
from tunesmith.model.build import Model, build_for
from tunesmith.recipes.recipe import recipe_from
from tunesmith.studies import rehearsal
from tunesmith.studies.rehearsal import rehearse

FIRST = {"name": "first", "data": {"train": rows(16)}}


def test_all_that_is_wrong_with_later_stages_is_told_before_the_first(train: Train, tmp_path: Path) -> None:
    late = {"name": "late", "data": {"train": rows(16), "validation": None}, "strategies": [{"mmd": {}}, "early_stop"]}
    deep = {"name": "deep", "data": {"train": rows(16)}, "strategies": [{"freeze": {"layers": 40}}]}
    with pytest.raises(InputError) as refused:
        train("r", stages=[FIRST, late, deep])
    told = [str(problem) for problem in refused.value.problems]
    assert len(told) == 3
    assert "stage 2-late" in told[0]
    assert "early_stop decides by evaluations" in told[0]
    assert "stage 2-late" in told[1]
    assert "no rows without labels" in told[1]
    assert "stage 3-deep" in told[2]
    assert "40" in told[2]
    assert not list(tmp_path.glob("runs/*"))


def test_what_another_stage_leaves_is_not_asked_for(train: Train, tmp_path: Path) -> None:
    after = {"name": "after", "data": {"train": rows(16)}, "strategies": [{"distil": {"teacher": str(tmp_path / "runs/r/1-first")}}]}
    assert train("r", stages=[FIRST, after]).scores["stages"]


def test_a_few_rows_do_not_decide_and_nothing_is_learned(model: str) -> None:
    many = [{"text": f"word {number % 10}", "label": "rare" if number < 2 else "common"} for number in range(400)]
    recipe = recipe_from(
        {
            "model": model,
            "task": "text_classification",
            "data": {"train": many, "validation": None},
            "strategies": ["few_shot", {"replay": {"past": many}}],
            "training": {"batch_size": 4},
        }
    )
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    few = some(encode(data.train, recipe.task, build_for(recipe.task, model).tokenizer), recipe.task, 4)
    assert len({row["label"] for row in few}) == 1
    before = [copy.deepcopy(vars(strategy)) for strategy in recipe.strategies]
    rehearse(recipe, data)
    assert [vars(strategy) for strategy in recipe.strategies] == before


def test_no_model_is_left_in_memory(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def watched(*given: Any) -> Model:
        made = build_for(*given)
        built.append(weakref.ref(made.module))
        return made

    monkeypatch.setattr(rehearsal, "build_for", watched)
    recipe = recipe_from({"model": model, "task": "text_classification", "data": {"train": rows(16), "validation": None}})
    gc.disable()
    try:
        rehearse(recipe, load(recipe.data, recipe.task, recipe.seed, recipe.base_folder))
    finally:
        gc.enable()
    assert [reference() for reference in built] == [None]
