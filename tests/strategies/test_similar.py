"""Similar: which rows are nearest, in which order they come, and that only those are learned from."""

from __future__ import annotations

import numpy as np
import pytest

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.strategies import similar
from tunesmith.strategies.similar import Similar, in_turn, nearest


def test_the_nearest_by_angle_of_any_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "TARGETS", 1)
    angles = np.radians([0, 10, 50, 90, 180])
    source = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array([[1.0], [5.0], [1.0], [0.1], [3.0]])  # length says nothing
    target = np.stack([np.cos(np.radians([8, 80])), np.sin(np.radians([8, 80]))], axis=1)
    assert nearest(source, target, 1).tolist() == [1, 3]
    assert nearest(source, target, 2).tolist() == [0, 1, 2, 3]
    assert nearest(source, target, 9).tolist() == [0, 1, 2, 3, 4]


def test_every_row_comes_once_before_any_comes_again_wherever_one_begins() -> None:
    rows = np.array([3, 5, 8, 13, 21])
    through = in_turn(rows, 0, 15, seed=1)
    for turn in range(3):
        assert sorted(through[5 * turn : 5 * turn + 5].tolist()) == rows.tolist()
    steps = [in_turn(rows, seen, 3, seed=1) for seen in range(0, 15, 3)]
    np.testing.assert_array_equal(np.concatenate(steps), through)
    assert through.tolist() != in_turn(rows, 0, 15, seed=2).tolist()


def test_only_what_is_near_is_learned_from() -> None:
    seen: set[int] = set()

    class Looking(Similar):
        def gradient(self, batches: object, run: Run, inner: object) -> object:
            seen.update(int(row) for batch in batches for row in batch.rows)  # type: ignore[attr-defined]
            return inner(batches)  # type: ignore[operator]

    said: list[str] = []
    strategy = Looking(target=["a good film number 0"], num_rows=3)
    begin = strategy.begin

    def told(run: Run) -> None:
        run.say = said.append
        begin(run)

    strategy.begin = told  # type: ignore[method-assign]
    run = tiny_fit(None, [strategy], steps=4).run
    assert strategy._chosen is not None
    assert seen == set(strategy._chosen.tolist())
    assert len(seen) == 3
    assert 0 in seen  # the same text
    assert said[-1] == "similar: 3 of 12 training rows are learned from, each 4.0 times in an epoch"
    assert run.clock.step == 4


def test_without_a_target_it_is_refused() -> None:
    with pytest.raises(InputError, match="similar: there are no rows without labels"):
        tiny_fit(None, [Similar()], steps=1)
