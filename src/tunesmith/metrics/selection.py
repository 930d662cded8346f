"""Which rows without labels are worth a person's time: those that a model is unsure of, and those that are unlike all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def unsureness(table: Numbers) -> Numbers:
    """1 - the probability of the likeliest label, from probabilities (rows, labels): (rows,)."""
    return np.asarray(1 - table.max(axis=1))


def margin(table: Numbers) -> Numbers:
    """Minus how far the likeliest label is above the second, (rows,): 0 is no margin."""
    best = np.sort(table, axis=1)
    return np.asarray(best[:, -2] - best[:, -1])


def entropy(table: Numbers) -> Numbers:
    """-sum p log p of each row, in nats: (rows,)."""
    return np.asarray(-(table * np.log(np.clip(table, 1e-30, None))).sum(axis=1))


# Settles 2009, "Active Learning Literature Survey", section 3.1: the higher, the more worth asking for.
BY: dict[str, Callable[[Numbers], Numbers]] = {"uncertainty": unsureness, "margin": margin, "entropy": entropy}


def several(table: Numbers) -> Numbers:
    """Probabilities of several labels, (rows, labels), as those of the label that is least sure: (rows, 2)."""
    nearest = table[np.arange(len(table)), np.abs(table - 0.5).argmin(axis=1)]
    return np.stack([nearest, 1 - nearest], axis=1)


def spread(features: Numbers, num: int, known: Numbers | None = None) -> tuple[list[int], list[float]]:
    """``num`` rows that lie far apart, from features (rows, hidden): each time the row that is farthest from all that are taken.

    Returns the rows and how far each was when it was taken. ``known`` (others, hidden) are taken already; without any, the row that is
    nearest to the middle of all comes first, at its distance to it.

    Source: Sener & Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", algorithm 1.
    """
    taken: list[int] = []
    far: list[float] = []
    least = np.full(len(features), np.inf)
    if known is not None and len(known):
        for start in range(0, len(features), 256):
            block: Any = features[start : start + 256]
            least[start : start + 256] = np.sqrt(((block[:, None] - known[None]) ** 2).sum(axis=2)).min(axis=1)
    for _ in range(min(num, len(features))):
        if np.isinf(least).all():
            distances = np.linalg.norm(features - features.mean(axis=0), axis=1)
            row = int(distances.argmin())
            far.append(float(distances[row]))
        else:
            row = int(least.argmax())
            far.append(float(least[row]))
        taken.append(row)
        least = np.minimum(least, np.linalg.norm(features - features[row], axis=1))
        least[row] = -1.0
    return taken, far
