"""Freezing covers the depths and names that were asked, and refuses what cannot be."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build
from tunesmith.strategies.freeze import Freeze, below, share_of_layers


def frozen(strategy: Freeze, run: Run) -> set[str]:
    strategy.begin(run)
    return {name for name, param in run.params.items() if not strategy.plan(param, Rule(), run.clock).learns}


def places(names: set[str]) -> set[str]:
    return {".".join(name.split(".")[:2]) if name.startswith("layers") else name.split(".")[0] for name in names}


def test_the_first_layers_and_the_embeddings(run: Run) -> None:
    assert places(frozen(Freeze(layers=2), run)) == {"embeddings", "layers.0", "layers.1"}


def test_embeddings_can_go_on_learning_or_be_frozen_alone(run: Run) -> None:
    assert places(frozen(Freeze(layers=1, embeddings=False), run)) == {"layers.0"}
    assert frozen(Freeze(embeddings=True), run) == {"embeddings.weight"}


@pytest.mark.parametrize(("fraction", "layers"), [(0.34, 1), (0.5, 2), (1.0, 3), (0.1, 0)])
def test_a_fraction_of_the_layers(run: Run, fraction: float, layers: int) -> None:
    assert share_of_layers(fraction, 3) == layers
    assert frozen(Freeze(fraction=fraction), run) == frozen(Freeze(layers=layers), run)


def test_patterns_freeze_by_name_whatever_the_depth(run: Run) -> None:
    assert frozen(Freeze(patterns=["layers.2.attention"]), run) == {"layers.2.attention.weight", "layers.2.attention.bias"}
    assert frozen(Freeze(patterns=["*.bias"]), run) == {name for name in run.params if name.endswith(".bias")}


def test_a_frozen_parameter_stays_frozen_and_other_rules_pass_through(run: Run) -> None:
    low, high = run.params["layers.0.mlp.weight"], run.params["classifier.weight"]
    strategy = Freeze(layers=1)
    strategy.begin(run)
    assert strategy.plan(high, Rule(learns=False, rate=0.5), run.clock) == Rule(learns=False, rate=0.5)
    assert strategy.plan(low, Rule(rate=0.5, decay=0.0), run.clock) == Rule(learns=False, rate=0.5, decay=0.0)


def test_it_says_how_much_is_frozen_and_when_nothing_is(run: Run, said: list[str]) -> None:
    frozen(Freeze(layers=1), run)
    assert said[0] == "freeze: embeddings 66, layer 1 96 do not learn"
    frozen(Freeze(), run)
    assert "nothing is frozen" in said[1]


def test_norms_can_be_frozen_at_any_depth(run: Run) -> None:
    norms = {name for name, param in run.params.items() if param.kind == "norm"}
    assert "layers.2.norm.weight" in norms
    assert frozen(Freeze(norms=True), run) == norms


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Freeze(layers=4), "the model has 3"),
        (Freeze(patterns=["layers.2.atention"]), "layers.2.attention"),
    ],
)
def test_impossible_settings_are_refused_with_what_is_possible(run: Run, strategy: Freeze, message: str) -> None:
    with pytest.raises(InputError, match=message):
        strategy.begin(run)


def test_below_counts_from_the_bottom() -> None:
    assert [below(depth, 2, embeddings=True) for depth in range(5)] == [True, True, True, False, False]
    assert [below(depth, 2, embeddings=False) for depth in range(5)] == [False, True, True, False, False]


def test_a_recipe_gives_layers_or_a_fraction() -> None:
    document = Document({})
    build(Freeze, {"layers": 1, "fraction": 0.5}, document, ())
    assert "fraction" in str(document.problems[0])
    assert build(Freeze, {"fraction": 0.5}, Document({}), ()) == Freeze(fraction=0.5)
