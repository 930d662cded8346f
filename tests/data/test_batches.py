"""The order of rows: every row once an epoch, pure, and found again by its position alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.batches import ALIKE, WORTHWHILE, Source, batch_order, length_batches, micro_batches
from tunesmith.data.encode import Encoded

lengths = st.lists(st.integers(0, 50), max_size=80).map(np.array)
sizes = st.integers(1, 12)


@given(lengths, sizes, st.integers(), st.integers(0, 3), st.integers(1, 4))
def test_an_epoch_is_a_permutation_and_pure(lengths: np.ndarray, size: int, seed: int, epoch: int, window: int) -> None:
    batches = batch_order(lengths, size, seed, epoch, window)
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    assert sorted((len(batch) for batch in batches), reverse=True)[:-1] == [size] * (len(batches) - 1)
    again = batch_order(lengths, size, seed, epoch, window)
    assert rows == [row for batch in again for row in batch.tolist()]


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(np.concatenate([*batch_order(np.ones(50), 8, seed, epoch)]).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_rows_of_a_batch_are_about_equally_long() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 3000)

    def padding(window: int) -> float:
        batches = batch_order(lengths, 16, 0, 0, window)
        return 1 - lengths.sum() / sum(len(batch) * lengths[batch].max() for batch in batches)

    assert padding(50) < 0.03 < 0.4 < padding(1)


def test_long_batches_are_not_all_at_one_end() -> None:
    lengths = np.arange(1600)
    means = [lengths[batch].mean() for batch in batch_order(lengths, 16, 0, 0)]
    assert abs(np.corrcoef(means, np.arange(100))[0, 1]) < 0.3


@given(lengths, sizes, st.none() | st.integers(1, 200))
def test_micro_batches_are_a_partition_within_bounds(lengths: np.ndarray, rows: int, positions: int | None) -> None:
    pieces = micro_batches(lengths, rows, positions)
    assert sorted(row for piece in pieces for row in piece.tolist()) == list(range(len(lengths)))
    for piece in pieces:
        assert 1 <= len(piece) <= rows
        assert positions is None or len(piece) == 1 or len(piece) * lengths[piece].max() <= positions
    longest = [lengths[piece].max() for piece in pieces]
    assert longest == sorted(longest, reverse=True)


def encoded(count: int) -> Encoded:
    return Encoded([[{"length": 1 + row % 7} for row in range(count)]])


@given(st.integers(1, 30), sizes, st.integers(0, 60))
def test_a_seek_equals_a_replay(count: int, size: int, position: int) -> None:
    replayed = Source(encoded(count), size, seed=3)
    for _ in range(position):
        next(replayed)
    sought = Source(encoded(count), size, seed=3, position=position)
    assert sought.position == replayed.position
    for _ in range(5):
        assert next(sought) == next(replayed)
    moved = Source(encoded(count), size, seed=3)
    next(moved)
    moved.position = position
    assert [row["row"] for row in next(moved)] == Source(encoded(count), size, 3).rows(position).tolist()


def test_a_source_goes_on_with_the_next_epoch() -> None:
    source = Source(encoded(10), 4, 0)
    assert source.batches_per_epoch == 3
    epochs = [[row["row"] for _ in range(3) for row in next(source)] for _ in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_plain_rows_are_a_source_too() -> None:
    assert sorted(row["length"] for row in next(Source([{"length": 2}, {"length": 1}], 16, 0))) == [1, 2]


def test_no_rows_give_no_batches() -> None:
    assert not len(batch_order(np.zeros(0, int), 4, 0, 0))
    assert micro_batches(np.zeros(0, int), 4) == []
    with pytest.raises(StopIteration):
        next(Source([], 4, 0))


@given(st.lists(st.integers(0, 600), max_size=60), st.integers(1, 5000))
def test_batches_by_length_hold_every_row_once_longest_first_with_little_padding(lengths: list[int], tokens: int) -> None:
    batches = [batch.tolist() for batch in length_batches(np.array(lengths, np.int64), tokens)]
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert [lengths[row] for batch in batches for row in batch] == sorted(lengths, reverse=True)
    for batch, following in pairwise(batches):
        longest, shorter = max(1, lengths[batch[0]]), lengths[following[0]]
        assert len(batch) == 1 or len(batch) * longest <= tokens
        full = (len(batch) + 1) * longest > tokens
        assert full or (len(batch) * longest >= WORTHWHILE and shorter < ALIKE * longest), "room was left for a row"


def test_a_few_texts_of_many_lengths_are_not_all_padded_to_the_longest() -> None:
    rows = np.geomspace(256, 16, 32).astype(np.int64)
    positions = sum(len(batch) * int(rows[batch[0]]) for batch in length_batches(rows, 8192))
    assert positions < 1.4 * rows.sum() < 32 * 256 / 2
