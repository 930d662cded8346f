"""The command search: what varies, how many trials, and the table of them."""

from __future__ import annotations

from pathlib import Path

from cli.conftest import Command


def test_the_trials_are_a_table(tunesmith: Command, here: Path) -> None:
    recipe = here / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "search: {space: {training.learning_rate: {low: 1e-6, high: 1e-1, scale: log}}}\n")
    said = tunesmith("search", "recipe.yaml", "training.epochs=1", "--trials", "2", "--run", "best")
    assert said.code == 0, said.err
    head, first, second, *rest = said.out.splitlines()
    assert head.split() == ["trial", "learning_rate", "accuracy", "evaluations", "seconds"]
    assert {first.split()[0], second.split()[0]} == {"1", "2"}
    assert "Accuracy" in "".join(rest)
    assert "trial 2 of 2: learning_rate" in said.err
    assert tunesmith("predict", "best", "--text", "a good film").code == 0
    assert tunesmith("eval", "best", "--data", "reviews.csv", "--json").json["primary"] == "accuracy"


def test_a_recipe_that_says_not_what_to_search(tunesmith: Command) -> None:
    said = tunesmith("search", "recipe.yaml")
    assert (said.code, said.out) == (2, "")
    assert "recipe.yaml: the recipe does not say what to search. Add search: {space:" in said.err
    assert "--trials 2: " not in tunesmith("search", "recipe.yaml", "--trials", "2").err
