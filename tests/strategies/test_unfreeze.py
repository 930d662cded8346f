"""Gradual unfreezing follows its schedule from the top down, and says what the run is too short for."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tunesmith.core.clock import Span
from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build
from tunesmith.strategies.unfreeze import Unfreeze, groups_due


def learning(strategy: Unfreeze, run: Run, step: int) -> list[int]:
    """The depths that learn at a step."""
    clock = run.clock.at(step)
    return sorted({param.depth for param in run.params.values() if strategy.plan(param, Rule(), clock).learns})


@pytest.mark.parametrize(
    ("step", "depths"), [(0, [4]), (9, [4]), (10, [3, 4]), (20, [2, 3, 4]), (29, [2, 3, 4]), (30, [1, 2, 3, 4]), (40, [0, 1, 2, 3, 4])]
)
def test_one_layer_an_epoch_from_the_top_down(run: Run, step: int, depths: list[int]) -> None:
    assert learning(Unfreeze(every=Span(1, "ep")), run, step) == depths


@pytest.mark.parametrize(("step", "depths"), [(0, [4]), (5, [3, 4]), (10, [2, 3, 4]), (19, [1, 2, 3, 4]), (20, [0, 1, 2, 3, 4])])
def test_by_itself_all_learn_from_half_of_the_run_on(run: Run, said: list[str], step: int, depths: list[int]) -> None:
    strategy = Unfreeze()
    assert learning(strategy, run, step) == depths
    strategy.begin(run)
    assert said == []
    assert learning(Unfreeze(layers=2), run, 20) == learning(Unfreeze(start=2), run, 20) == [0, 1, 2, 3, 4]
    assert learning(Unfreeze(layers=2), run, 19) == learning(Unfreeze(start=2), run, 9) == [2, 3, 4]


def test_a_list_gives_each_group_its_own_wait_and_the_last_repeats(run: Run) -> None:
    strategy = Unfreeze(every=["5st", "10%"])
    assert [len(learning(strategy, run, step)) for step in (4, 5, 8, 9, 13, 17)] == [1, 2, 2, 3, 4, 5]


def test_groups_of_layers_a_head_start_and_embeddings_that_never_learn(run: Run) -> None:
    assert learning(Unfreeze(layers=2), run, 10) == [2, 3, 4]
    assert learning(Unfreeze(layers=2), run, 20) == [0, 1, 2, 3, 4]
    assert learning(Unfreeze(start=1), run, 0) == [3, 4]
    assert learning(Unfreeze(embeddings=False), run, 40) == [1, 2, 3, 4]


def test_what_learns_never_freezes_again_and_no_other_rule_is_undone(run: Run) -> None:
    strategy = Unfreeze(every="3st")
    depths = [set(learning(strategy, run, step)) for step in range(41)]
    assert all(before <= after for before, after in pairwise(depths))
    head = run.params["classifier.bias"]
    assert strategy.plan(head, Rule(learns=False), run.clock) == Rule(learns=False)


def test_it_says_what_will_never_learn(run: Run, said: list[str]) -> None:
    for strategy in (Unfreeze(every="20st"), Unfreeze(every="10st"), Unfreeze(every="10st", embeddings=False), Unfreeze(every="9st")):
        strategy.begin(run)
    assert ["2 of 3 layers" in said[0], "0 of 3 layers" in said[1], len(said)] == [True, True, 2]


@pytest.mark.parametrize("every", [[], "soon", "-1ep", "120%"])
def test_a_wait_that_is_no_length_of_time_is_refused(every: str) -> None:
    with pytest.raises(InputError):
        Unfreeze(every=every)


def test_groups_due() -> None:
    assert [groups_due(step, [2, 3]) for step in range(9)] == [0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert groups_due(5, [0]) == 5


def test_a_recipe_writes_times_with_units() -> None:
    assert build(Unfreeze, {"every": "5st"}, Document({}), ()) == Unfreeze(every=Span(5, "st"))
    assert build(Unfreeze, {"every": [1, "10%"]}, Document({}), ()) == Unfreeze(every=[Span(1, "ep"), Span(10, "%")])
