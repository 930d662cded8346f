"""Replay: how many rows, which are kept, and that no row of the run is lost."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.core.strategy import Past
from tunesmith.data.encode import Encoded
from tunesmith.strategies.replay import Replay, balanced, due, num_labels, reservoir
from tunesmith.tasks.text_classification import TextClassification

OLD = [{"text": f"a dull song {number}", "label": "bad"} for number in range(6)]


@pytest.mark.parametrize("rate", [0.05 * 16, 1.0, 2.5, 0.0])
def test_over_time_the_share_is_exact(rate: float) -> None:
    numbers = [due(step, rate) for step in range(100)]
    assert sum(numbers) == round(100 * rate)
    assert max(numbers) - min(numbers) <= 1


def test_a_reservoir_keeps_each_row_of_the_stream_alike_often() -> None:
    """Vitter's property: the probability is size / n for the first row and the last."""
    counts = Counter(int(index) for seed in range(3000) for index in reservoir(range(12), 4, seed))
    assert all(abs(counts[index] / 3000 - 4 / 12) < 0.04 for index in range(12))
    assert reservoir(range(3), 5, 0).tolist() == [0, 1, 2]


def test_balanced_keeps_as_many_of_each_label() -> None:
    items = [{"label": 0}] * 30 + [{"label": 1}] * 3 + [{"label": 2}] * 9
    kept = Counter(items[index]["label"] for index in balanced(items, 12, 0))
    assert kept == {0: 5, 1: 3, 2: 4} or kept == {0: 4, 1: 3, 2: 5}
    assert len(set(balanced(items, 12, 0).tolist())) == 12


def fed(strategy: Replay, steps: int = 4) -> list[list[dict[str, object]]]:
    """The batches of a tiny run, as they come out of the strategy."""
    seen: list[list[dict[str, object]]] = []

    class Watched(Replay):
        def feed(self, batches, run):  # type: ignore[no-untyped-def]
            for rows in super().feed(batches, run):
                seen.append(rows)
                yield rows

    watched = Watched(**strategy.settings())
    watched._past = strategy._past
    tiny_fit(None, [watched], steps=steps)
    return seen


def test_rows_are_added_and_none_is_taken_away() -> None:
    batches = fed(Replay(OLD, share=0.5), steps=3)  # an epoch of 12 rows
    assert [len(rows) for rows in batches] == [6, 6, 6]
    assert sorted(row["row"] for rows in batches for row in rows if row["row"] < 12) == list(range(12))
    assert all(row["row"] >= 12 and row["label"] == 0 for rows in batches for row in rows[4:])


def test_old_labels_come_as_often_as_new_ones() -> None:
    assert [len(rows) for rows in fed(Replay(OLD, share=1.0, of="label"), steps=3)] == [6, 6, 6]  # one label, and the new rows have two
    assert num_labels([]) == 0
    assert num_labels([{"label": 0}, {"label": 4}, {"label": 0}, {"label": 2}]) == 3
    with pytest.raises(InputError, match=r"no label each\. Take of: label out of replay"):
        num_labels([{"label": 0}, {"label": [0, 1]}])


def test_earlier_stages_are_the_past_of_a_later_one(said: list[str], run: Run) -> None:
    strategy = Replay(share=0.25)
    with pytest.raises(InputError, match="Name a file or a run under past, or use stages"):
        strategy.begin(run)
    strategy.inherit(Past())
    strategy.begin(run)
    assert "first stage" in said[-1]
    task = TextClassification(kind="single", labels=["bad", "good"], pairs=False)
    strategy.inherit(Past([[task.read(row) for row in OLD[:2]], [task.read(row) for row in OLD[2:]]]))
    assert [len(rows) for rows in fed(strategy)] == [5] * 4


def test_only_rows_that_are_kept_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, decode = [], Encoded.__getitem__
    monkeypatch.setattr(Encoded, "__getitem__", lambda self, index: decoded.append(index) or decode(self, index))
    monkeypatch.setattr("tunesmith.strategies.replay.past_items", lambda *_: [Encoded([[{"label": 0}] * 50])] * 2)
    strategy = Replay("x", num_rows=7)
    strategy.begin(SimpleNamespace(task=None, tokenizer=None, train=Encoded([[{"label": 0}] * 4]), seed=0))  # type: ignore[arg-type]
    assert [item["row"] for item in strategy._memory] == list(range(4, 11))
    assert len(decoded) == 7


def test_a_memory_that_is_larger_than_the_past_is_told() -> None:
    said: list[str] = []
    import tiny

    task = TextClassification(kind="single", labels=["bad", "good"], pairs=False)
    run = SimpleNamespace(task=task, tokenizer=tiny.tokenizer(), train=[{"row": 0}], seed=0, say=said.append)
    strategy = Replay(OLD, num_rows=10)
    strategy.begin(run)  # type: ignore[arg-type]
    run.train = []  # of a recipe that is explained
    Replay(OLD, of="label", num_rows=6).begin(run)  # type: ignore[arg-type]
    assert said == ["replay: the memory has room for 10 rows, and the past has 6: all of them are kept"]
    assert np.unique([item["row"] for item in strategy._memory]).tolist() == [1, 2, 3, 4, 5, 6]


def test_a_label_that_is_not_known_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match="<rows>:1 label: 'strange' is not a label"):
        tiny_fit(None, [Replay([{"text": "a", "label": "strange"}])], steps=1)
