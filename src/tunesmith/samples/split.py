"""Which rows are for training and which for testing: a pure function of the row itself, so that nothing leaks and nothing moves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
Splits = dict[str, list[Row]]


def digest(*parts: str) -> int:
    """A number below 2^64 that depends on nothing but its parts."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")


def plain(text: str) -> str:
    """The words of a text without case and punctuation (the text, where it has none): what agrees in them counts as the same."""
    return " ".join(re.findall(r"\w+", text.lower())) or text


def unique(rows: Iterable[Row], *columns: str) -> list[Row]:
    """The first of the rows whose texts in ``columns`` are the same; none of them where their labels disagree."""
    first: dict[str, Row] = {}
    disputed: set[str] = set()
    for row in rows:
        key = "\n".join(plain(row[column]) for column in columns)
        if first.setdefault(key, row).get("label") != row.get("label"):
            disputed.add(key)
    return [row for key, row in first.items() if key not in disputed]


def reserved(source: str, group: str) -> bool:
    """Whether a group is kept out of every sample: three tenths of some sources, left for a test that no recipe has seen."""
    return digest("heldout-v1", source, group) % 10 < 3


def split(family: str, rows: Iterable[Row], validation: float = 0.1, test: float = 0.1, limit: int | None = None) -> Splits:
    """Rows by split, each in an order that looks random and is always the same; equal rows count once, at most ``limit`` in all.

    Every row names its ``group`` (a document, a source text), which never straddles two splits and is removed here. Sets of
    one ``family`` agree: what is test in one is test in all. A split with the fraction 0 is left out.
    """
    distinct = {json.dumps(row, ensure_ascii=False, sort_keys=True): row for row in rows}
    splits: Splits = {name: [] for name, fraction in (("train", 1.0), ("validation", validation), ("test", test)) if fraction}
    for key in sorted(distinct, key=lambda key: digest("order-v1", key))[:limit]:
        row = distinct[key]
        place = digest("split-v1", family, row["group"]) / 2**64
        name = "test" if place < test else "validation" if place < test + validation else "train"
        splits[name].append({column: value for column, value in row.items() if column != "group"})
    return splits
