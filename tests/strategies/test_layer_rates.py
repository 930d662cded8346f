"""Layer-wise rates: the values themselves, composition with other rules, and refusals."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build
from tunesmith.strategies.layer_rates import LayerRates, group_rate, layer_decay


def rates(strategy: LayerRates, run: Run) -> list[float]:
    """The multiple at each depth, 0 to 4."""
    strategy.begin(run)
    by_depth = {param.depth: strategy.plan(param, Rule(), run.clock).rate for param in run.params.values()}
    return [by_depth[depth] for depth in range(5)]


def test_decay_from_the_head_down(run: Run) -> None:
    assert rates(LayerRates(decay=0.5), run) == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]


def test_the_head_has_a_multiple_of_its_own(run: Run) -> None:
    assert rates(LayerRates(decay=1.0, head=10.0), run) == [1, 1, 1, 1, 10]


def test_decay_1_is_the_identity(run: Run) -> None:
    rule = Rule(rate=0.3, decay=0.0)
    assert all(LayerRates(decay=1.0).plan(param, rule, run.clock) == rule for param in run.params.values())


def test_groups_from_the_bottom_up(run: Run) -> None:
    assert rates(LayerRates(groups=[0.1, 0.2, 0.4]), run) == [0.1, 0.1, 0.2, 0.4, 1]
    assert rates(LayerRates(groups=[0.1, 0.4], head=2.0), run) == [0.1, 0.1, 0.1, 0.4, 2]
    assert [group_rate(depth, 12, [1, 2, 3, 4]) for depth in (0, 1, 3, 4, 6, 7, 9, 10, 12)] == [1, 1, 1, 2, 2, 3, 3, 4, 4]


def test_multiples_multiply_with_those_of_other_strategies(run: Run) -> None:
    param = run.params["layers.2.mlp.weight"]
    assert LayerRates(decay=0.5).plan(param, Rule(learns=False, rate=0.5), run.clock) == Rule(learns=False, rate=0.25)


def test_the_rates_of_ulmfit() -> None:
    # Howard and Ruder 2018, section 3.2: the rate of layer l - 1 is that of layer l divided by 2.6.
    values = [layer_decay(depth, 3, 1 / 2.6) for depth in range(5)]
    assert values == pytest.approx([2.6**-4, 2.6**-3, 2.6**-2, 2.6**-1, 1.0])


@pytest.mark.parametrize(("groups", "message"), [([1.0] * 4, "4 layers cannot have a rate each, the model has 3"), ([0.0, 1.0], "above 0")])
def test_impossible_groups_are_refused(run: Run, groups: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LayerRates(groups=groups).begin(run)


def test_a_recipe_gives_a_decay_or_groups() -> None:
    document = Document({})
    build(LayerRates, {"decay": 0.5, "groups": [0.1, 1.0]}, document, ())
    assert "decay" in str(document.problems[0])
    assert build(LayerRates, {"groups": [0.1, 1.0]}, Document({}), ()) == LayerRates(groups=[0.1, 1.0])
