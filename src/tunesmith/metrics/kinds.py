"""Means over rows, and over the rows of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def means_by_kind(values: Mapping[str, Sequence[float]], kinds: Sequence[str]) -> dict[str, Any]:
    """The mean of each metric, from its ``values`` (rows,), and ``per_kind`` where rows are of several ``kinds`` (rows,).

    ``per_kind`` has for each kind, in the order of their names, the means over its rows and how many ``rows`` there are.
    """
    arrays = {name: np.asarray(of_rows, float) for name, of_rows in values.items()}
    scores: dict[str, Any] = {name: float(array.mean()) if len(array) else 0.0 for name, array in arrays.items()}
    if len(set(kinds)) > 1:
        scores["per_kind"] = {}
        for kind in sorted(set(kinds)):
            rows = np.array([own == kind for own in kinds])
            scores["per_kind"][kind] = {**{name: float(array[rows].mean()) for name, array in arrays.items()}, "rows": int(rows.sum())}
    return scores
