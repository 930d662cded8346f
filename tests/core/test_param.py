"""What a plan sees of a parameter."""

from __future__ import annotations

from dataclasses import replace

from tunesmith.core.param import Param, Rule

WEIGHT = Param("encoder.layer.1.attention.weight", (4, 6), depth=2, layers=3, kind="attention")


def test_what_lies_above_the_layers_is_the_head() -> None:
    assert [replace(WEIGHT, depth=depth).head for depth in range(5)] == [False, False, False, False, True]


def test_size_is_the_number_of_elements() -> None:
    assert [replace(WEIGHT, shape=shape).size for shape in ((4, 6), (3,), (), (2, 0))] == [24, 3, 1, 0]


def test_a_rule_lets_everything_learn_at_the_rate_of_the_run() -> None:
    assert Rule() == Rule(learns=True, rate=1.0, decay=1.0)
