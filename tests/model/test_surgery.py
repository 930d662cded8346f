"""Choosing parameters by name, and saying how many there are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.param import Param
from tunesmith.core.strategy import Strategy
from tunesmith.model.backbone import describe
from tunesmith.model.surgery import amount, check_layers, matching, summary
from tunesmith.strategies.adaptive import Adaptive
from tunesmith.strategies.auto_freeze import AutoFreeze
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.layer_rates import LayerRates
from tunesmith.strategies.surgical import Surgical
from tunesmith.strategies.thaw import Thaw
from tunesmith.strategies.unfreeze import Unfreeze


@pytest.fixture(scope="module")
def params() -> dict[str, Param]:
    return describe(tiny.bert())


def test_a_bare_word_is_a_part_of_a_name(params: dict[str, Param]) -> None:
    assert matching(params, ["classifier"]) == {"classifier.weight", "classifier.bias"}
    assert len(matching(params, ["attention.self.query"])) == 6


def test_a_pattern_matches_whole_names(params: dict[str, Param]) -> None:
    assert matching(params, ["*.layer.[0-1].*"]) == {name for name in params if ".layer.0." in name or ".layer.1." in name}
    assert matching(params, ["*.query.bias", "classifier.bia?"]) == {
        "classifier.bias",
        *(f"bert.encoder.layer.{i}.attention.self.query.bias" for i in range(3)),
    }
    with pytest.raises(InputError):
        matching(params, ["layer.0.*"])  # no name begins so


def test_no_pattern_chooses_nothing(params: dict[str, Param]) -> None:
    assert matching(params, []) == set()


def test_all_patterns_that_choose_nothing_are_named_with_the_nearest_names(params: dict[str, Param]) -> None:
    with pytest.raises(InputError) as caught:
        matching(params, ["clasifier", "classifier", "bert.encoder.layer.7.*", "zzzzzz"])
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == 3
    assert problems[0].startswith("No parameter matches 'clasifier'. Did you mean 'classifier'")
    assert "'bert.encoder.layer.2'" in problems[1]
    assert "Names are parts of 'bert.embeddings.word_embeddings.weight'" in problems[2]


def test_case_matters(params: dict[str, Param]) -> None:
    with pytest.raises(InputError, match="LayerNorm"):
        matching(params, ["layernorm"])


def test_a_summary_names_places_and_sizes(params: dict[str, Param]) -> None:
    assert summary(params.values()) == "embeddings 5.3 k, layers 1-3 25.6 k, head 1.1 k"
    assert summary(param for param in params.values() if param.depth in (1, 3)) == "layer 1 8.5 k, layer 3 8.5 k"
    assert summary(param for param in params.values() if param.depth in (2, 3, 4)) == "layers 2-3 17.1 k, head 1.1 k"
    assert summary([]) == "none"
    prompt = Param("prompt_encoder.default.embedding.weight", (10, 32), 0, 3, "embedding")
    assert summary([prompt, params["classifier.bias"]]) == "soft prompt 0.3 k, head 2"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (99, "99"), (770, "0.8 k"), (949_999, "950.0 k"), (950_000, "0.9 M"), (22_713_216, "22.7 M"), (1_235_814_400, "1.2 G")],
)
def test_amounts(number: int, text: str) -> None:
    assert amount(number) == text


@pytest.mark.parametrize(
    "strategy",
    [
        *(Freeze(layers=4), LayerRates(groups=[1.0] * 4), Adaptive(start=4), AutoFreeze(keep=4), Surgical(blocks=5)),
        *(Thaw(layers=4), Thaw(layers=2, start=3), Unfreeze(layers=4), Unfreeze(start=4)),
    ],
)
def test_strategies_refuse_more_layers_than_there_are(params: dict[str, Param], strategy: Strategy) -> None:
    run: Any = SimpleNamespace(params=params)
    with pytest.raises(InputError, match=r"^4 layers cannot [a-z ]+, the model has 3\. Give 0 to 3\.$"):
        strategy.begin(run)
    check_layers(3, 3, "be frozen")
