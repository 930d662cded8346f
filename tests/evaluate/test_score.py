"""Predictions come in the rows' order, whatever the batches and the number of processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tunesmith.core import waiting
from tunesmith.core.batch import Batch
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.score import predict, scorer, share

LENGTHS = st.lists(st.integers(0, 40), max_size=40)


class Summing:
    """A task that predicts the sum of a row's tokens; it counts what goes through the model."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []  # rows, padded length

    def collate(self, features: list[dict[str, Any]], tokenizer: Any) -> Batch:
        longest = max(len(f["input_ids"]) for f in features)
        ids = torch.tensor([f["input_ids"] + [0] * (longest - len(f["input_ids"])) for f in features]).long()
        self.batches.append((len(features), longest))
        return Batch({"input_ids": ids}, {}, torch.tensor([f["row"] for f in features]), int((ids > 0).sum()))

    def decode(self, batch: Batch, output: Tensor) -> list[dict[str, Any]]:
        return [{"row": row, "sum": total} for row, total in zip(batch.rows.tolist(), output.tolist(), strict=True)]

    def answer(self, batch: Batch, forward: Any, tokenizer: Any) -> list[dict[str, Any]]:
        return self.decode(batch, forward(batch))

    def merge(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        return parts[0] if len(parts) == 1 else {"row": parts[0]["row"], "sums": [part["sum"] for part in parts]}

    def together(self, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return predictions

    def metrics(self, predictions: list[dict[str, Any]], truths: list[dict[str, Any]]) -> dict[str, Any]:
        return {"right": sum(p["sum"] == t["sum"] for p, t in zip(predictions, truths, strict=True)) / len(truths)}


class Adding:
    """A forward pass that adds up the tokens of each row."""

    sharded, module = False, torch.nn.Identity()

    def __init__(self, then: Callable[[Tensor], Tensor] = lambda sums: sums) -> None:
        self.then = then

    def __call__(self, batch: Batch) -> Tensor:
        return self.then(batch.inputs["input_ids"].sum(dim=1))


forward: Any = Adding()


def rows_of(lengths: list[int]) -> list[dict[str, Any]]:
    return [{"input_ids": list(range(1 + i % 7, 1 + i % 7 + length))} for i, length in enumerate(lengths)]


def encoded_of(lengths: list[int]) -> Encoded:
    rows = rows_of(lengths)
    return Encoded([rows] if rows else [])


def expected(lengths: list[int]) -> list[dict[str, Any]]:
    return [{"row": i, "sum": sum(row["input_ids"])} for i, row in enumerate(rows_of(lengths))]


@given(LENGTHS, st.integers(1, 300))
def test_the_budget_changes_no_prediction(lengths: list[int], tokens: int) -> None:
    task = Summing()
    assert predict(forward, encoded_of(lengths), task, None, tokens) == expected(lengths)
    assert all(rows * longest <= tokens or rows == 1 for rows, longest in task.batches)


@given(LENGTHS, st.randoms())
def test_the_order_of_rows_changes_no_prediction(lengths: list[int], random: Any) -> None:
    order = list(range(len(lengths)))
    random.shuffle(order)
    rows = rows_of(lengths)
    shuffled = Encoded([[rows[i] for i in order]] if rows else [])
    found = predict(forward, shuffled, Summing(), None, 64)
    assert [p["sum"] for p in found] == [expected(lengths)[i]["sum"] for i in order]


@given(st.integers(0, 20), st.integers(1, 6))
def test_ranks_share_all_batches_in_equally_many_passes(num_batches: int, world: int) -> None:
    batches = [np.array([i]) for i in range(num_batches)]
    shares = [share(batches, rank, world) for rank in range(world)]
    assert {len(one) for one in shares} == {-(-num_batches // world)}
    assert {int(batch[0]) for one in shares for batch in one} == set(range(num_batches))


def test_every_rank_gets_all_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads play three ranks, gathering through a barrier as processes do."""
    world, place, meeting, gathered = 3, threading.local(), threading.Barrier(3, timeout=20), {}

    def gather(shares: list[Any], own: Any) -> None:
        gathered[place.rank] = own
        meeting.wait()
        shares[:] = [gathered[rank] for rank in range(world)]

    for name, stand_in in {
        "is_initialized": lambda: True,
        "get_world_size": lambda: world,
        "get_rank": lambda: place.rank,
        "all_gather_object": gather,
    }.items():
        monkeypatch.setattr(dist, name, stand_in)
    lengths, found, tasks = [5, 1, 9, 2, 2, 7, 3], {}, [Summing() for _ in range(world)]

    def run(rank: int) -> None:
        place.rank = rank
        found[rank] = predict(forward, encoded_of(lengths), tasks[rank], None, tokens=9)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {rank: expected(lengths) for rank in range(world)}
    assert {len(task.batches) for task in tasks} == {2}, "each rank computes a share, in equally many passes"


def test_it_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENT", 0.0)
    said: list[str] = []
    predict(forward, encoded_of([4, 4, 4]), Summing(), None, tokens=4, say=said.append)
    assert [line.rpartition(",")[0] for line in said] == ["predicting 3 rows: 33% done", "predicting 3 rows: 67% done"]


def test_predicting_leaves_a_model_that_keeps_tensors_trainable() -> None:
    weight, kept = torch.ones(1, requires_grad=True), SimpleNamespace(table=None)

    def caching(sums: Tensor) -> Tensor:
        kept.table = torch.ones(1) * 2 if kept.table is None else kept.table  # a rotary table, for example
        return sums * weight * kept.table

    found = predict(Adding(caching), encoded_of([3, 4]), Summing(), None)
    assert [p["sum"] for p in found] == [12, 28]
    (weight * kept.table).sum().backward()
    assert weight.grad == 2


def test_a_task_that_decodes_too_few_predictions_is_caught() -> None:
    task = Summing()
    task.decode = lambda batch, output: []  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="shorter"):
        predict(forward, encoded_of([3, 4]), task, None)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(1, 40))
def test_the_items_of_a_row_are_merged_in_their_order(items_of_rows: list[int], chunk: int) -> None:
    """A text that is too long for the model becomes several items; what they give is one prediction."""
    rows = [[{"input_ids": [1 + row, place]} for place in range(count)] for row, count in enumerate(items_of_rows)]
    chunks = [rows[start : start + chunk] for start in range(0, len(rows), chunk)]
    encoded = Encoded([[{**item, "example": place} for place, items in enumerate(part) for item in items] for part in chunks])
    assert encoded.rows.tolist() == [row for row, count in enumerate(items_of_rows) for _ in range(count)]
    found = predict(forward, encoded, Summing(), None, 6)
    sums = [[1 + row + place for place in range(count)] for row, count in enumerate(items_of_rows)]
    assert [p.get("sums", [p.get("sum")]) for p in found] == sums
    assert [p["row"] for p in found] == list(range(len(rows)))


def test_a_scorer_compares_predictions_with_their_own_rows() -> None:
    lengths = [5, 1, 9, 2]
    truths = expected(lengths)
    assert scorer(Summing(), truths, encoded_of(lengths), None)(forward) == {"right": 1.0}
    truths[2] = {"sum": -1}
    assert scorer(Summing(), truths, encoded_of(lengths), None)(forward) == {"right": 0.75}
