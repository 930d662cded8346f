"""When a trial is cut short: both rules by hand."""

from __future__ import annotations

import pytest

from tunesmith.studies.cutting import RULES, below_rung, worse_than_median


@pytest.mark.parametrize(
    ("curve", "cut"),
    [
        ([0.5], False),  # the averages of the others are 0.6, 0.5, 0.2: as good as the median
        ([0.4], True),
        ([0.4, 0.6], False),  # averages after two: 0.7, 0.5, 0.3
        ([0.6, 0.1], False),  # its best counts
        ([0.3, 0.4], True),
        ([0.1, 0.2, 0.3], False),  # nobody went so far
    ],
)
def test_the_median_of_the_others_decides(curve: list[float], cut: bool) -> None:
    done = [[0.6, 0.8], [0.5, 0.5], [0.2, 0.4]]
    assert worse_than_median(curve, done, [[0.9]]) is cut
    assert not worse_than_median(curve, [], [[0.9]])


@pytest.mark.parametrize(
    ("curve", "cut"),
    [
        ([0.7], False),  # 0.9, 0.7, 0.5, 0.4, 0.3, 0.2: two of six go on
        ([0.6], False),
        ([0.45], True),
        ([0.1, 0.1], False),  # no rung at two evaluations
        ([0.1, 0.1, 0.1], True),  # of the two at the second rung the best goes on
        ([0.1, 0.1, 0.6], False),
    ],
)
def test_a_third_goes_on_at_each_rung(curve: list[float], cut: bool) -> None:
    done, short = [[0.9, 0.9, 0.5], [0.5, 0.2]], [[0.4], [0.3], [0.2]]
    assert below_rung(curve, done, short) is cut


def test_the_first_of_all_goes_on() -> None:
    assert [rule([0.0], [], []) for rule in RULES.values()] == [False, False]
