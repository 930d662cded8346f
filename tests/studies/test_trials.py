"""What is tried next follows from the trials before, whoever asks and whenever."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunesmith.recipes.recipe import recipe_from
from tunesmith.recipes.search import Search
from tunesmith.studies.trials import CUT, DONE, FAILED, Trial, best_of, importances, next_values

TOP: dict[str, Any] = {"model": "m", "task": "text_classification", "data": {"train": "a.csv"}, "strategies": [{"lora": {"rank": 8}}]}
SPACE: dict[str, Any] = {
    "training.learning_rate": {"low": 1e-5, "high": 1e-1, "scale": "log"},
    "strategies.lora.rank": [4, 8, 16],
    "training.batch_size": {"low": 8, "high": 32, "step": 8},
}


def search(space: dict[str, Any] = SPACE, **keys: Any) -> Search:
    found = recipe_from(TOP | {"search": {"space": space, "startup": 4} | keys}).search
    assert found is not None
    return found


def score(values: dict[str, Any]) -> float:
    """A score whose optimum is a rate of 1e-3; the rank counts little and the batch not at all."""
    return -abs(math.log10(values["training.learning_rate"]) + 3) + values["strategies.lora.rank"] / 100


def tried(found: Search, number: int, seed: int = 0) -> list[Trial]:
    trials: list[Trial] = []
    for place in range(1, number + 1):
        values = next_values(found, trials, True, seed)
        assert values is not None
        if values["training.learning_rate"] > 1e-2:
            trials.append(Trial(place, values, FAILED, "the loss is not finite"))
        else:
            trials.append(Trial(place, values, DONE, score=score(values), curve=[-9.0, score(values)]))
    return trials


def test_what_comes_next_is_a_function_of_what_was(tmp_path: Path) -> None:
    trials = tried(search(), 9)
    for place, trial in enumerate(trials):
        (folder := tmp_path / str(place)).mkdir()
        trial.write(folder)
    read = [Trial.read(tmp_path / str(place)) for place in range(9)]
    assert read == trials
    assert Trial.read(tmp_path) is None
    for known in (3, 6, 8):  # a search that was killed after any trial goes on alike
        assert next_values(search(), [trial for trial in read[:known] if trial], True, 0) == trials[known].values
    assert [trial.values for trial in tried(search(), 6, seed=1)] != [trial.values for trial in trials[:6]]
    assert {type(trial.values["training.batch_size"]) for trial in trials} == {int}
    assert {trial.values["training.batch_size"] % 8 for trial in trials} == {0}


def test_what_did_well_is_looked_at_more_closely() -> None:
    trials = tried(search(), 16)
    best = best_of(trials, True)
    assert best is not None
    late, early = ([abs(math.log10(trial.values["training.learning_rate"]) + 3) for trial in part] for part in (trials[-5:], trials[:4]))
    assert sum(late) / len(late) < sum(early) / len(early)
    shares = importances(search(), trials, True)
    assert next(iter(shares)) == "training.learning_rate"
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(search(), trials[:3], True) == {}


def test_the_best_is_the_first_of_those_that_are_done() -> None:
    values = {"a": 1}
    trials = [Trial(1, values, FAILED), Trial(2, values, DONE, score=0.5), Trial(3, values, CUT, curve=[0.9])]
    trials += [Trial(4, values, DONE, score=0.7), Trial(5, values, DONE, score=0.7)]
    assert best_of(trials, True) is trials[3]
    assert best_of(trials, False) is trials[1]
    assert best_of(trials[:1], True) is None
    assert replace(trials[2], curve=[0.9, None]).signed(False) == [-0.9, -math.inf]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_nothing_is_tried_twice(sampler: str) -> None:
    found = search({"strategies.lora.rank": [4, 8], "training.batch_size": {"low": 8, "high": 16, "step": 8}}, sampler=sampler)
    trials: list[Trial] = []
    while (values := next_values(found, trials, True, 0)) is not None:
        assert values not in [trial.values for trial in trials]
        trials.append(Trial(len(trials) + 1, values, DONE, score=0.5, curve=[0.5]))
    assert len(trials) == 4
