"""What each strategy brings: a run without each, on the same rows; what was finished is not trained again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runs import TRAINING, rows
from tunesmith.core.errors import InputError
from tunesmith.recipes.recipe import recipe_from
from tunesmith.studies.ablate import ablate, table, without_each

SHORT = {name: value for name, value in TRAINING.items() if name != "epochs"} | {"steps": 2}


def recipe(model: str, strategies: list[Any]) -> Any:
    keys = {"model": model, "task": "text_classification", "baselines": False, "training": SHORT}
    return recipe_from(keys | {"data": {"train": rows(24), "test": "30%"}, "strategies": strategies})


def test_each_is_taken_out_in_turn(model: str, tmp_path: Path) -> None:
    said: list[str] = []
    made = recipe(model, [{"clip": {"norm": 1.0}}, {"freeze": {"layers": 2}}])
    found = ablate(made, tmp_path / "runs", (), said.append)
    assert said == ["1 of 3: all", "2 of 3: without-clip", "3 of 3: without-freeze"]
    assert list(found["strategies"]) == ["without-clip", "without-freeze"]
    for name, own in found["strategies"].items():
        scores = json.loads((tmp_path / "runs" / name / "scores.json").read_text(encoding="utf-8"))
        assert own["scores"] == scores["tuned"]
        assert own["gain"]["accuracy"]["delta"] == pytest.approx(found["scores"]["accuracy"] - scores["tuned"]["accuracy"])
    assert [row[0] for row in table(found)] == ["without-clip", "without-freeze"]
    assert ablate(made, tmp_path / "runs", (), said.append) == found
    assert len(said) == 3
    with pytest.raises(InputError, match="another recipe was trained there"):
        ablate(recipe(model, ["clip"]), tmp_path / "runs", (), said.append)


def test_names_and_what_has_nothing_to_take_out(model: str) -> None:
    variants = without_each(recipe(model, [{"clip": {"norm": 1.0}}, "early_stop", {"clip": {"norm": 2.0}}]))
    assert list(variants) == ["all", "without-clip-1", "without-clip-2", "without-early_stop"]
    assert [part.norm for part in variants["without-clip-1"].strategies] == [2.0]  # type: ignore[attr-defined]
    assert variants["without-early_stop"].watch == []
    with pytest.raises(InputError, match="the recipe has no strategies to take out"):
        without_each(recipe(model, []))
    assert table({"primary": "accuracy", "strategies": {"without-x": {"reason": "y needs it"}}}) == [["without-x", "–", "–", "y needs it"]]
