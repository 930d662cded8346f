"""Partners are drawn where a batch lacks them, and nowhere else."""

from __future__ import annotations

from tunesmith.data.partners import lacking

MEMBERS = {0: [0, 1, 2], 1: [3, 4, 5, 6, 7], 2: [8]}


def test_nothing_is_drawn_where_each_row_has_one_of_its_class_and_one_of_another() -> None:
    assert lacking(MEMBERS, [(0, 0), (0, 2), (1, 4), (1, 5)], 0) == []


def test_a_row_that_is_alone_of_its_class_gets_another_of_it() -> None:
    found = [lacking(MEMBERS, [(0, 1), (1, 4), (1, 5)], seed) for seed in range(60)]
    assert {len(drawn) for drawn in found} == {1}
    assert {drawn[0] for drawn in found} == {0, 2}
    assert lacking(MEMBERS, [(2, 8), (1, 4), (1, 5)], 0) == [8]  # no other row is there
    assert found == [lacking(MEMBERS, [(0, 1), (1, 4), (1, 5)], seed) for seed in range(60)]


def test_rows_of_one_class_get_one_of_another_each_class_as_often() -> None:
    found = [lacking(MEMBERS, [(0, 0), (0, 1)], seed) for seed in range(400)]
    assert {len(drawn) for drawn in found} == {1}
    assert 150 < sum(drawn == [8] for drawn in found) < 250  # a label of one row comes as often as one of five
