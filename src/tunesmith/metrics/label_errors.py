"""Which labels are likely wrong, by the probabilities that a model gave rows which it was not trained on: confident learning.

``table`` is (rows, labels), ``labels`` (rows,) are the given ones.

Source: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", arXiv:1911.00068, section 3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def thresholds(table: Numbers, labels: Indices) -> Numbers:
    """How sure the model is of each label where it is given, in the mean, (labels,): equation 2. Infinite where no row has it."""
    sizes = np.bincount(labels, minlength=table.shape[1])
    sums = np.bincount(labels, table[np.arange(len(labels)), labels], minlength=table.shape[1])
    found: Numbers = np.divide(sums, sizes, out=np.full(len(sizes), np.inf), where=sizes > 0)
    return found


def confident(table: Numbers, labels: Indices) -> Indices:
    """The likeliest label of each row among those that reach their threshold, (rows,), -1 where none does: the sets of equation 1."""
    reached = np.where(table >= thresholds(table, labels), table, -1.0)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def suspected(table: Numbers, labels: Indices) -> Indices:
    """The label that a row likely has instead of its own, (rows,), -1 where there is no reason to doubt its own."""
    found = confident(table, labels)
    return np.where(found == labels, -1, found)
