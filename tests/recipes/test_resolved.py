"""Recipes written out read back to equal ones, and equal ones have one digest."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.engine.settings import Training
from tunesmith.recipes.recipe import read_recipe, recipe_from
from tunesmith.recipes.resolved import recipe_hash, resolved, shortened
from tunesmith.recipes.yaml import parse

SMALL: dict[str, Any] = {"model": "m", "task": "text_classification", "data": {"train": "x.csv"}}
GIVEN: dict[str, Any] = {
    **SMALL,
    "name": "stars",
    "strategies": [{"freeze": {"layers": 4}}, "r_drop", {"early_stop": {"patience": 2}}],
    "training": {"epochs": 2, "learning_rate": 5e-5, "save_every": 200},
    "seed": 3,
    "baselines": "off",
}

TRAINING = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 512), "seed": st.integers(0, 2**40)},
    optional={
        "learning_rate": st.none() | st.floats(1e-8, 1),
        "schedule": st.sampled_from(["linear", "constant"]),
        "warmup": st.sampled_from(["3%", "0.5ep", "20st", 7]),
        "save_every": st.none() | st.integers(1, 10**6),
        "ship": st.sampled_from(["best", "last"]),
    },
)
STRATEGIES = st.lists(
    st.sampled_from(
        ["ema", {"freeze": {"layers": 2}}, {"lora": {"targets": ["query", "*"]}}, "early_stop", {"unfreeze": {"every": ["1ep", 2]}}]
    ),
    unique_by=str,
)
WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1)


@given(TRAINING, STRATEGIES, st.dictionaries(WORDS, WORDS), WORDS, st.booleans())
def test_what_is_written_out_reads_back(
    training: dict[str, Any], strategies: list[Any], columns: dict[str, str], model: str, baselines: bool
) -> None:
    given = {"model": model, "task": {"text_classification": {"labels": list(columns), "max_length": 32}}, "baselines": baselines}
    recipe = recipe_from({**given, "data": {"train": "x.csv", "columns": columns}, "strategies": strategies, "training": training})
    for write in (resolved, shortened):
        again = recipe_from(parse(write(recipe), "")[0])
        assert again == recipe
        assert write(again) == write(recipe)
        assert recipe_hash(again) == recipe_hash(recipe)


def test_the_resolved_recipe_names_every_setting_that_is_read(tmp_path: Path) -> None:
    recipe = recipe_from(GIVEN, base_folder=tmp_path)
    text = resolved(replace(recipe, watch=[]))  # early_stop has a patience, too
    unread = set(Training.applies) - {"epochs", "beta1", "beta2", "epsilon", "final_rate"}
    for field in fields(Training):
        assert (f"{field.name}:" in text) == (field.name not in unread), field.name
    assert text.startswith("name: stars\nmodel: m\ntask:\n  text_classification:\n    kind: auto\n")


def test_the_short_recipe_holds_what_differs(tmp_path: Path) -> None:
    text = shortened(recipe_from({**SMALL, "training": {"epochs": 3, "steps": None}}, base_folder=tmp_path))
    assert text == (
        "name: text_classification\nmodel: m\ntask:\n  text_classification: {}\ndata:\n  train: x.csv\n"
        f"seed: 0\nbase_folder: {tmp_path.resolve()}\n"
    )


def test_a_resolved_recipe_in_another_folder_is_the_same(tmp_path: Path) -> None:
    recipe = recipe_from(GIVEN, base_folder=tmp_path)
    run = tmp_path / "runs" / "stars"
    run.mkdir(parents=True)
    (run / "recipe.resolved.yaml").write_text(resolved(recipe))
    assert read_recipe(run / "recipe.resolved.yaml") == recipe


def test_the_hash_is_of_what_is_computed(tmp_path: Path) -> None:
    recipe = recipe_from(GIVEN, base_folder=tmp_path)
    assert recipe_hash(replace(recipe, name="other", base_folder=Path("/"))) == recipe_hash(recipe)
    others = [
        replace(recipe, model="other"),
        replace(recipe, strategies=recipe.strategies[::-1]),
        replace(recipe, watch=[]),
        replace(recipe, baselines=True),
        replace(recipe, training=replace(recipe.training, seed=4)),
        replace(recipe, data=replace(recipe.data, max_rows=5)),
    ]
    assert len({recipe_hash(each) for each in [recipe, *others]}) == 1 + len(others)
