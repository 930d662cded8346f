"""Shares by the formulas of the papers, counts that keep to them in every step, and an order that is a function of the step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import mixed_fit, mixture
from tunesmith.core.clock import Clock
from tunesmith.core.mixture import PLACE
from tunesmith.core.run import Run
from tunesmith.data.mixing import MixedRows, Mixing, drawn

SIZES = {"a": 900, "b": 100}
NOW = np.zeros(1)


def shares(**settings: object) -> list[float]:
    return Mixing(**settings).shares(SIZES, NOW)[0].tolist()  # type: ignore[arg-type]


def test_shares_follow_their_formulas() -> None:
    assert shares() == pytest.approx([0.9, 0.1])
    assert shares(by="temperature", temperature=2.0) == pytest.approx([30 / 40, 10 / 40])
    assert shares(by="temperature", temperature=1.0) == pytest.approx(shares())
    assert shares(by="equal") == [0.5, 0.5]
    assert shares(by="weights", weights={"b": 1.0, "a": 3.0}) == [0.75, 0.25]
    assert shares(limit=300) == pytest.approx([0.75, 0.25])  # Raffel et al. 2020: min(e, K)


def test_annealed_shares_become_more_equal() -> None:
    found = Mixing(by="annealed").shares(SIZES, np.array([0.0, 0.5, 1.0]))
    for row, exponent in zip(found, (1.0, 0.6, 0.2), strict=True):
        assert row[0] == pytest.approx(900**exponent / (900**exponent + 100**exponent))


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5), st.integers(1, 40), st.integers(0, 5))
def test_a_step_keeps_to_its_shares(parts: list[float], size: int, seed: int) -> None:
    share = np.array(parts) / sum(parts)
    counts = drawn(np.tile(share, (50, 1)), size, seed)
    assert (counts.sum(axis=1) == size).all()
    assert (np.abs(counts - share * size) < 1 + 1e-9).all()
    assert (drawn(np.tile(share, (50, 1)), size, seed) == counts).all()


def test_over_many_steps_the_shares_are_exact() -> None:
    counts = drawn(np.tile([0.61, 0.38, 0.01], (4000, 1)), 8, 0)
    assert counts.mean(axis=0) / 8 == pytest.approx([0.61, 0.38, 0.01], abs=3e-3)


def rows_of_run(start: int) -> list[list[int]]:
    """The rows of the steps of a run of eight from ``start`` on, as a resumed run draws them."""
    _, task, items, _ = mixture()
    clock = Clock(start, 8, 6)
    run = Run(None, task, None, clock, None, 3, print, train=items)  # type: ignore[arg-type]
    found = []
    stream = MixedRows(Mixing(by="weights", weights={"texts": 3.0, "tags": 1.0}), 4).feed(iter([[]] * 8), run)
    while run.clock.step < run.clock.total:
        found.append([item["row"] for item in next(stream)])
        run.clock = run.clock.tick(4, 0)
    return found


def test_rows_are_a_function_of_the_step_and_each_task_goes_through_all_of_its_own() -> None:
    steps = rows_of_run(0)
    assert rows_of_run(5) == steps[5:]
    assert [len(rows) for rows in steps] == [4] * 8
    texts = [row for rows in steps for row in rows if row < 12]
    assert len(texts) == 24  # twice 12
    assert sorted(texts[:12]) == sorted(texts[12:]) == list(range(12))
    assert texts[:12] != texts[12:]
    tags = [row for rows in steps for row in rows if row >= 12]
    assert len(set(tags)) == len(tags) == 8


def test_a_step_of_a_run_holds_rows_of_both() -> None:
    fitted = mixed_fit(None, steps=2)
    assert fitted.run.clock.samples == 8
    assert {item[PLACE] for item in fitted.run.train} == {0, 1}
