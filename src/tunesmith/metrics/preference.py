"""How often, and by how much, the answer that was preferred gets more than the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def gap(scores: Mapping[str, float]) -> float:
    """How much more the ``chosen`` answer got than the ``rejected`` one."""
    return scores["chosen"] - scores["rejected"]


def won(gap: float) -> float:
    """1 for a gap above 0, 0 for one below, 1/2 for none."""
    return (1.0 + (gap > 0) - (gap < 0)) / 2


def preferences(gaps: Sequence[float], prefix: str = "") -> dict[str, float]:
    """``accuracy``, the share of gaps above 0, ties by half, and ``margin``, their mean, under names that begin with ``prefix``."""
    count = max(1, len(gaps))
    return {f"{prefix}accuracy": math.fsum(map(won, gaps)) / count, f"{prefix}margin": math.fsum(gaps) / count}
