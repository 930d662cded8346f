"""Blend: which mixture holds when, that steps keep to it, and that every row of a source comes before one comes again."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import pytest

import tiny
from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.data.encode import encode
from tunesmith.data.examples import read_examples
from tunesmith.strategies.blend import Blend, mixture_of, most_rows, moved
from tunesmith.tasks.text_classification import TextClassification

GROUPS = np.array([0] * 90 + [1] * 10)
ROWS = [{"group": int(group), "row": row, "length": 5} for row, group in enumerate(GROUPS)]
WEB, MEDICAL = np.array([0.9, 0.1]), np.array([0.1, 0.9])


def test_shares_move_in_a_line_or_at_a_step() -> None:
    clock = Clock(0, 10, 5)
    np.testing.assert_allclose(moved(WEB, MEDICAL, (0, 10), clock)[:, 1], 0.1 + 0.08 * np.arange(10))
    np.testing.assert_allclose(moved(WEB, MEDICAL, (2, 6), clock)[:, 1], [0.1, 0.1, 0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.9, 0.9])
    np.testing.assert_allclose(moved(WEB, MEDICAL, (7, 7), clock)[:, 1], [0.1] * 7 + [0.9] * 3)


def test_a_mixture_has_any_sum_and_is_as_the_rows_are_where_none_is_given() -> None:
    np.testing.assert_allclose(mixture_of({"b": 3, "a": 1}, ["a", "b"], GROUPS, "first"), [0.25, 0.75])
    np.testing.assert_allclose(mixture_of({"b": 3}, ["a", "b"], GROUPS, "first"), [0, 1])
    np.testing.assert_allclose(mixture_of({}, ["a", "b"], GROUPS, "first"), [0.9, 0.1])


@pytest.mark.parametrize(("rows", "batch"), [(100, 8), (17, 16), (16, 16), (9, 16), (33, 1)])
def test_as_many_rows_as_a_step_may_have(rows: int, batch: int) -> None:
    most = most_rows(rows, Clock(0, 1, -(-rows // batch)))
    assert min(batch, rows) <= most
    assert most == 1 or -(-rows // most) == -(-rows // batch)


def fed(run: Run, strategy: Blend, steps: range, size: int = 10) -> list[list[int]]:
    run.train = ROWS
    found = []
    stream = strategy.feed(repeat(ROWS[:size]), run)
    for step in steps:
        run.clock = run.clock.at(step)
        found.append([row["row"] for row in next(stream)])
    return found


def test_steps_keep_to_the_shares_and_a_resumed_run_draws_the_same(run: Run) -> None:
    strategy = Blend({"0": 9, "1": 1}, {"0": 1, "1": 9})
    drawn = fed(run, strategy, range(40))
    counts = np.array([sum(row >= 90 for row in step) for step in drawn])
    assert (np.abs(counts - 10 * moved(WEB, MEDICAL, (0, 40), run.clock)[:, 1]) < 2).all()  # steps of 11 rows, of which 10 are wanted
    assert fed(run, strategy, range(23, 40)) == drawn[23:]
    assert fed(run, strategy, range(23, 24), size=4)[0] == [row for row in drawn[23] if row in fed(run, strategy, range(23, 24), size=4)[0]]


def test_all_rows_of_a_source_come_before_one_comes_again(run: Run) -> None:
    drawn = [row for step in fed(run, Blend(last={"0": 1, "1": 1}, until=Span(0, "st")), range(16)) for row in step if row < 90]
    assert len(drawn) == len(set(drawn)) == pytest.approx(80, abs=5)


def test_sources_go_by_their_names(run: Run, said: list[str]) -> None:
    task = TextClassification(kind="single", labels=["a", "b"])
    rows = [{"text": "x", "label": "a", "where": where} for where in ("web", "web", "web", "medical")]
    examples = read_examples(rows, task, {"group": "where"})[0]
    run.train = encode(examples, task, tiny.tokenizer())
    assert run.train.groups == ["medical", "web"]
    Blend({"medical": 1, "web": 1}, start=Span(1, "ep")).begin(run)
    assert said == ["blend: medical 50% to 25%, web 50% to 75% of the rows of a step, from step 10 to 40"]
    with pytest.raises(InputError, match=r"no row is of the source 'wep' in last. Did you mean 'web'\?"):
        Blend(last={"wep": 1}).begin(run)
    with pytest.raises(InputError, match="start is step 20, after until, step 10"):
        Blend(last={"web": 1}, start=Span(2, "ep"), until=Span(1, "ep")).begin(run)
    with pytest.raises(InputError, match="no source has a share in first"):
        Blend({"web": 0})
    run.train = [{"length": 1}]
    with pytest.raises(InputError, match="the rows have no group each"):
        Blend(last={"web": 1}).begin(run)
