"""The router: prototypes against what numpy and k-means say, and the nearest one by distances worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.errors import InputError
from tunesmith.model.routing import ABOUT, Router, Seen, evenly, seen

RANDOM = np.random.default_rng(0)


def test_one_prototype_is_the_mean_and_the_spread_is_the_variance() -> None:
    vectors = RANDOM.normal(3.0, 2.0, (50, 4)).astype(np.float32)
    found = seen(vectors, 1)
    np.testing.assert_allclose(found.prototypes, vectors.mean(axis=0, dtype=float, keepdims=True))
    np.testing.assert_allclose(found.spread, vectors.var(axis=0, dtype=float))
    assert found.count == 50


def test_several_prototypes_are_the_centres_of_groups() -> None:
    groups = [RANDOM.normal(mean, 0.01, (20, 2)) for mean in (0.0, 5.0, 9.0)]
    found = seen(np.concatenate(groups), 3)
    np.testing.assert_allclose(sorted(found.prototypes[:, 0]), sorted(group[:, 0].mean() for group in groups))
    assert found.spread.max() < 0.001
    assert len(seen(np.zeros((5, 2)), 3).prototypes) == 1  # there is one different row


def test_a_direction_counts_by_how_little_rows_differ_in_it() -> None:
    one = Seen(np.array([[0.0, 0.0, 0.0]]), np.array([81.0, 1.0, 0.0]), 1)
    other = Seen(np.array([[10.0, 3.0, 0.0]]), np.array([81.0, 1.0, 0.0]), 2)
    router = Router({"one": one, "other": other})  # s = 9, 1, 0 and their median 1: scales are 10, 2 and 1
    # (9, 1, 0): 0.81 + 0.25 against 0.01 + 1; (8, 1, 0): 0.64 + 0.25 against 0.04 + 1; (0, 3, 0): 2.25 against 1
    assert router.nearest(np.array([[9.0, 1.0, 0.0], [8.0, 1.0, 0.0], [0.0, 3.0, 0.0]])) == ["other", "one", "other"]


def test_the_nearest_of_several_prototypes_names_its_stage() -> None:
    first = Seen(np.array([[0.0], [10.0]]), np.array([1.0]), 4)
    router = Router({"a": first, "b": Seen(np.array([[6.0]]), np.array([1.0]), 4)})
    assert router.nearest(np.array([[1.0], [9.0], [5.0], [3.0]])) == ["a", "a", "b", "a"]  # the last is as near to both
    alike = Router({"a": Seen(np.array([[0.0]]), np.array([0.0]), 1), "b": Seen(np.array([[3.0]]), np.array([0.0]), 1)})
    assert alike.nearest(np.array([[1.0], [2.0]])) == ["a", "b"]  # all rows of a stage are the same


def test_it_reads_back(tmp_path: Path) -> None:
    router = Router({"films": seen(RANDOM.normal(size=(9, 3)), 2), "2.plays": seen(RANDOM.normal(size=(4, 3)), 1)})
    router.write(tmp_path, "sample:minilm")
    again, trunk = Router.read(tmp_path)
    assert (list(again.stages), trunk) == (["films", "2.plays"], "sample:minilm")
    for name, stage in router.stages.items():
        np.testing.assert_array_equal(again.stages[name].prototypes, stage.prototypes)
        np.testing.assert_array_equal(again.stages[name].spread, stage.spread)
        assert again.stages[name].count == stage.count
    (tmp_path / ABOUT).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"the router of the stages cannot be read.*Copy the folder again"):
        Router.read(tmp_path)


def test_rows_are_taken_in_equal_distances() -> None:
    assert evenly(range(9), 3) == [0, 4, 8]
    assert evenly([5, 6], 3) == [5, 6]
