"""What to do about a key that stands where it is not known."""

from __future__ import annotations

import pytest

from tunesmith.recipes.homes import home, levels

TOP = {"model", "task", "data", "seed"}


@pytest.mark.parametrize(
    ("here", "word", "remedy"),
    [
        ("at the top", "epochs", "It belongs under training"),
        ("at the top", "freeze", "It belongs under strategies"),
        ("at the top", "modle", "Did you mean model?"),
        ("under training", "seed_", "Did you mean seed?"),
        ("under training", "warm_up", "Did you mean warmup?"),
        ("under data", "max_lenght", "Did you mean max_length? It belongs under task"),
        ("under data", "max_length", "It belongs under task"),
    ],
)
def test_the_remedy(here: str, word: str, remedy: str) -> None:
    assert home(here, levels({"text_classification": {}}, TOP))(word, []) == remedy


def test_names_of_another_trainer_are_understood_and_not_listed() -> None:
    remedy = home("under training", levels({"text_classification": {}}, TOP))
    assert remedy("cut", ["epochs", "steps"]) == "Known: epochs, steps"
    assert remedy("num_train_epoch", ["epochs", "steps"]) == "Did you mean num_train_epochs?"


def test_a_task_that_is_not_known_has_no_settings() -> None:
    assert levels({"no_such_task": {}}, TOP)["under task"] == set()
    assert "max_length" in levels({"text_classification": {}}, TOP)["under task"]
