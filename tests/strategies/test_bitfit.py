"""BitFit: only biases and the head learn, and a model without biases is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.model.surgery import amount
from tunesmith.strategies.bitfit import BitFit


def learning(strategy: BitFit, run: Run) -> set[str]:
    return {name for name, param in run.params.items() if strategy.plan(param, Rule(), run.clock).learns}


def test_all_biases_and_the_head_learn(run: Run) -> None:
    biases = {name for name in run.params if name.endswith(".bias")}
    assert learning(BitFit(), run) == biases | {"classifier.weight"}


@pytest.mark.parametrize("part", ["attention", "mlp", "norm"])
def test_the_biases_of_one_kind_of_layer(run: Run, part: str) -> None:
    inside = {name for name in learning(BitFit(part), run) if not name.startswith("classifier")}
    assert inside == {name for name, param in run.params.items() if param.kind == part and param.bias}
    assert inside


def test_what_an_adapter_added_learns_and_what_is_frozen_stays_frozen(run: Run) -> None:
    weight = run.params["layers.0.mlp.weight"]
    assert BitFit().plan(replace(weight, added=True), Rule(), run.clock).learns
    assert not BitFit().plan(run.params["layers.0.mlp.bias"], Rule(learns=False), run.clock).learns


def test_it_says_how_many_weights_learn(run: Run, said: list[str]) -> None:
    BitFit("attention").begin(run)
    assert said == [f"bitfit: {amount(18)} weights in 3 biases learn, and the head"]


def test_a_model_without_such_biases_is_refused_with_where_they_are(run: Run) -> None:
    run.params = {name: param for name, param in run.params.items() if not (param.bias and param.kind == "attention")}
    with pytest.raises(InputError, match="mlp, norm"):
        BitFit("attention").begin(run)
    run.params = {name: param for name, param in run.params.items() if not param.bias}
    with pytest.raises(InputError, match="no biases"):
        BitFit().begin(run)
