"""What label columns hold: which kind of labels, in which order, how often, and as tensors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.task import RowError


def kind_of(values: Sequence[Any]) -> str:
    """``multi`` for lists of labels, ``regression`` for numbers with fractions (as numbers or as texts), else ``single``."""
    if any(isinstance(value, list) for value in values):
        return "multi"
    numbers = [_number(value) for value in values]
    fractions = any(found is not None and not found.is_integer() for found in numbers)
    return "regression" if fractions and None not in numbers else "single"


def _number(value: Any) -> float | None:
    """The finite number that a value is or spells."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) and not isinstance(value, bool) else None


def names_of(value: Any) -> list[str]:
    """The label names in one cell: a list has several; a whole number read as a float is the same label as the integer."""
    items = value if isinstance(value, list) else [value]
    return [str(int(item)) if isinstance(item, float) and item.is_integer() else str(item) for item in items]


def count(values: Sequence[Any]) -> dict[str, int]:
    """How often each label occurs, in the natural order of the names: numbers before texts, 2 before 10."""
    counts = Counter(name for value in values for name in names_of(value))
    return {name: counts[name] for name in sorted(counts, key=_natural)}


def balanced(counts: dict[str, int], labels: Sequence[str]) -> list[float]:
    """Weights that give every label the same part in the loss: n / (labels * n_label), as scikit-learn's "balanced"."""
    total = sum(counts.values())
    return [round(total / (len(labels) * max(1, counts.get(label, 0))), 6) for label in labels]


def label_ids(value: Any, labels: Sequence[str]) -> list[int]:
    """The positions in ``labels`` of the names in one cell. Raises ``RowError`` for an empty cell and for a name that is unknown."""
    if value is None or value == "":
        raise RowError("the label is empty", "Give it a label, or leave the row out", "label")
    names = names_of(value)
    unknown = [name for name in names if name not in labels]
    if unknown:
        known = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
        raise RowError(
            f"'{unknown[0]}' is not a label of the training rows ({known})", "Correct it, or add it to the training rows", "label"
        )
    return [labels.index(name) for name in names]


def label_id(value: Any, labels: Sequence[str]) -> int:
    """The position in ``labels`` of the one name in a cell. Raises ``RowError`` as ``label_ids`` does, and for several names."""
    ids = label_ids(value, labels)
    if len(ids) != 1:
        raise RowError(f"{len(ids)} labels in a row", "Give one, or set task.kind: multi", "label")
    return ids[0]


def number(value: Any, labels: Sequence[str] = ()) -> float:
    """The number in a cell; ``labels`` are not looked at. Raises ``RowError`` for anything that is no finite number."""
    found = _number(value)
    if found is None:
        raise RowError(f"'{value}' is not a number", "Give a number, or set task.kind: single", "label")
    return found


def indicator(rows: Sequence[Sequence[int]], labels: int) -> Tensor:
    """Label ids of each row as a float table of 0 and 1 (rows, labels)."""
    table = torch.zeros(len(rows), labels)
    for row, ids in enumerate(rows):
        table[row, list(ids)] = 1.0
    return table


def _natural(name: str) -> tuple[int, float, str]:
    return (0, float(name), name) if name.lstrip("-").replace(".", "", 1).isdecimal() else (1, 0.0, name)
