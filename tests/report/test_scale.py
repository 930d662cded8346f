"""Axes, smoothing and thinning."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.report.scale import Scale, finite, smooth, thin

numbers = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(st.lists(numbers, min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_its_values_and_has_few_ticks(values: list[float], tight: bool) -> None:
    scale = Scale.around(values, tight=tight)
    slack = 1e-6 * (scale.high - scale.low)
    assert scale.low - slack <= min(values) <= max(values) <= scale.high + slack
    assert 0 < len(scale.ticks()) <= 8
    assert all(0 <= scale.at(value) <= 100 for value in values)
    assert scale.at(scale.low) == 0
    assert scale.at(scale.high) == 100


def test_ticks_are_round() -> None:
    assert Scale.around([0.03, 0.97]).ticks() == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Scale.around([0, 1085], tight=True).ticks() == [0, 250, 500, 750, 1000]


def test_no_values_and_one_value_have_an_axis() -> None:
    assert (Scale.around([]).low, Scale.around([]).high) == (0.0, 1.0)
    assert Scale.around([math.nan, 3.0]).low <= 3.0 < Scale.around([3.0]).high


def test_only_numbers_are_points() -> None:
    assert finite([(1, 2), (2, None), (3, math.nan), (4, math.inf)]) == [(1.0, 2.0)]


def test_smoothing_keeps_a_constant_and_calms_noise() -> None:
    assert [round(y, 9) for _, y in smooth([(x, 5.0) for x in range(20)], 7)] == [5.0] * 20
    noisy = smooth([(x, float(x % 2)) for x in range(200)], 20)
    assert all(abs(y - 0.5) < 0.1 for _, y in noisy[100:])


@given(st.integers(0, 2000))
def test_thinning_keeps_order_and_the_spike(length: int) -> None:
    points = [(float(x), 1.0 if x != length // 3 else 99.0) for x in range(length)]
    kept = thin(points)
    assert len(kept) <= 240
    assert kept == sorted(kept)
    assert not points or max(y for _, y in kept) == 99.0
