"""The order of rows in training: batches of similar length, as a pure function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.run import seed_of
from tunesmith.data.encode import Encoded, numbers_of

Indices = npt.NDArray[np.int64]
WORTHWHILE = 1024  # positions with which a pass is about as fast, by position, as one with more
ALIKE = 0.8


@dataclass(frozen=True)
class Order:
    """The batches of an epoch, cut out of the rows when they are asked for: a million rows have no hundred thousand small arrays."""

    rows: Indices  # all rows of the epoch
    size: int
    places: Indices  # (batches,) which piece of ``rows`` each batch is

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, batch: int) -> Indices:
        start = int(self.places[batch]) * self.size
        return self.rows[start : start + self.size]

    def __iter__(self) -> Iterator[Indices]:
        return (self[batch] for batch in range(len(self)))


def batch_order(lengths: np.ndarray, batch_size: int, seed: int, epoch: int, window: int = 50) -> Order:
    """The rows of each batch of one epoch: every row exactly once, the last ragged batch among them.

    Rows are shuffled, sorted by length inside windows of ``window`` batches, cut into batches, and the batches are shuffled:
    rows of one batch are about equally long and meet other rows in every epoch. ``window`` 1 is a plain shuffle.
    """
    random = np.random.default_rng(seed_of(seed, "order", epoch))
    shuffled = random.permutation(len(lengths))
    windows = np.arange(len(lengths)) // (window * batch_size)
    order = shuffled[np.lexsort((lengths[shuffled], windows))]
    return Order(order, batch_size, random.permutation(-(-len(order) // batch_size)))


def micro_batches(lengths: np.ndarray, rows: int, positions: int | None = None) -> list[np.ndarray]:
    """A batch cut into pieces (indices into ``lengths``), longest rows first, so that what does not fit fails at once.

    A piece has at most ``rows`` rows and, padding counted, at most ``positions`` positions; one row is always taken.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    pieces, start = [], 0
    while start < len(order):
        fitting = rows if positions is None else min(rows, positions // max(1, int(lengths[order[start]])))
        pieces.append(order[start : start + max(1, fitting)])
        start += len(pieces[-1])
    return pieces


def length_batches(lengths: Indices, tokens: int) -> list[Indices]:
    """Row numbers in batches of at most ``tokens`` padded positions, one row at least.

    The longest rows come first, so that memory which does not suffice runs out at once. A batch ends early, once it has ``WORTHWHILE``
    positions, where rows become shorter than ``ALIKE`` of its longest: another pass costs less than the padding.
    """
    order = np.argsort(-lengths, kind="stable")
    falling = -lengths[order]
    batches, start = [], 0
    while start < len(order):
        longest = max(1, -int(falling[start]))
        alike = int(np.searchsorted(falling, -ALIKE * longest, side="right")) - start
        size = min(tokens // longest, max(alike, -(-WORTHWHILE // longest)))
        batches.append(order[start : start + max(1, size)])
        start += len(batches[-1])
    return batches


class Source(Iterator[list[dict[str, Any]]]):
    """Endless batches of encoded rows, epoch after epoch.

    ``position`` counts the batches drawn since the first epoch. Setting it is all that a resume needs: nothing is replayed.
    """

    def __init__(self, encoded: Encoded | Sequence[dict[str, Any]], batch_size: int, seed: int, position: int = 0) -> None:
        self.encoded, self.batch_size, self.seed, self.position = encoded, batch_size, seed, position
        self._lengths = numbers_of(encoded, "length")
        self._order: tuple[int, Order] | None = None  # the batches of the epoch that was asked for last

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.encoded) // self.batch_size)

    def rows(self, position: int) -> Indices:
        """The rows of the batch at any position."""
        epoch, index = divmod(position, self.batches_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, batch_order(self._lengths, self.batch_size, self.seed, epoch))
        return self._order[1][index]

    def __next__(self) -> list[dict[str, Any]]:
        if not self.encoded:
            raise StopIteration
        rows = self.rows(self.position)
        self.position += 1
        return [self.encoded[row] for row in rows.tolist()]
