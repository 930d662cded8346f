"""Partners: which rows must be drawn so that each row of a batch has one of its class, and one of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np


def lacking(members: Mapping[int, Sequence[int]], rows: Sequence[tuple[int, int]], seed: int) -> list[int]:
    """The items that ``rows``, (label, item) each, lack to have one of their own label and one of another: drawn from ``members``.

    For a label that only one row has another of its items, that row itself only where there is no other; for rows of one label alone an
    item of any other label, each as likely as the next.
    """
    draw, counts = np.random.default_rng(seed), Counter(label for label, _ in rows)
    drawn = []
    for label, row in rows:
        if counts[label] == 1:
            drawn.append(int(draw.choice([item for item in members[label] if item != row] or members[label])))
    if len(counts) == 1:
        other = int(draw.choice(sorted(set(members) - set(counts))))
        drawn.append(int(draw.choice(members[other])))
    return drawn
