"""Rows of the samples."""

from __future__ import annotations

from collections import Counter
from typing import Any


def rows(sample: str, split: str, labels: int | None = None) -> list[dict[str, Any]]:
    """The rows of a sample; only those of its so many most frequent labels where that is said."""
    from tunesmith.data.source import read

    found = list(read(f"sample:{sample}/{split}")[0])
    if labels is None:
        return found
    counts = Counter(str(row["label"]) for row in read(f"sample:{sample}/train")[0])
    known = {label for label, _ in counts.most_common(labels)}
    return [row for row in found if row["label"] in known]


def thinned(found: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Every nth of them when there are more than ``most``."""
    return found[:: max(1, len(found) // most)][:most]


def known_labels(train: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose label, or tags, some row of ``train`` has: few rows may not have all."""
    known = {label for row in train for label in _labels(row)}
    return [row for row in found if known.issuperset(_labels(row))]


def _labels(row: dict[str, Any]) -> list[str]:
    return list(row["tags"]) if "tags" in row else [row["label"]] if "label" in row else []
