"""Rows held out by a hash of their text: stable, stratified, and a duplicate never on both sides."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from tunesmith.data.labels import names_of
from tunesmith.data.media import digest, is_there
from tunesmith.data.rows import Rows


def hold_out(
    keys: Iterable[str], strata: Sequence[str] | None, fraction: float, seed: int, labels: Sequence[Collection[str]] | None = None
) -> np.ndarray:
    """Which rows are held out: (rows,) bool.

    Rows whose ``keys`` are the same but for case, blanks and Unicode form stay together. Groups of them are ordered by a hash of text
    and ``seed``, and each stratum gives its first ones, to within a row of ``fraction`` where groups allow; so a row added later
    moves few others. Every stratum keeps a group, and texts that stand in several strata are never held out; nor is a row of which one
    of the ``labels`` would be in no row that is left.
    """
    _, group_of, sizes = np.unique(digests(keys, seed), return_inverse=True, return_counts=True)  # groups in the order of their hashes
    codes = _codes(strata if strata is not None else [""] * len(group_of))
    held = np.zeros(len(sizes), bool)
    if not len(sizes):
        return held
    by_group = codes[np.argsort(group_of, kind="stable")]
    starts = np.cumsum(sizes) - sizes
    stratum = np.minimum.reduceat(by_group, starts)
    pure = np.flatnonzero(stratum == np.maximum.reduceat(by_group, starts))
    pure = pure[np.argsort(stratum[pure], kind="stable")]
    rooms = _targets(np.bincount(codes), fraction).tolist()
    for group, code, size in zip(pure.tolist(), stratum[pure].tolist(), sizes[pure].tolist(), strict=True):
        if size <= rooms[code]:
            held[group] = True
            rooms[code] -= size
    return np.asarray(_known_alone(held[group_of], group_of, labels) if labels is not None else held[group_of], bool)


def digests(keys: Iterable[str], seed: int = 0) -> np.ndarray:
    """A 64-bit hash of each text, normalised: (texts,) uint64."""
    salt = (seed % 2**64).to_bytes(8, "big")

    def hashed(key: str) -> int:
        return int.from_bytes(blake2b(normalised(key).encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest(), "big")

    return np.fromiter(map(hashed, keys), np.uint64)


def normalised(text: str) -> str:
    """The text as far as it counts for telling duplicates: Unicode NFKC, no case, blanks collapsed."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold().split())


def keys_of(rows: Rows, roles: Sequence[str], files: Collection[str] = ()) -> Iterator[str]:
    """One text for each row, made of the columns ``roles``: what makes rows duplicates of each other.

    Texts of the columns ``files`` are paths: the content of the file counts, under whatever name.
    """
    for block in rows.renamed({role: role for role in roles}).blocks():
        parts = [[_key(value, role in files) for value in values] for role, values in block.items()]
        for values in zip(*parts, strict=True):
            yield "\x1f".join(values)


def labels_of(values: Iterable[Any]) -> list[list[str]] | None:
    """The labels of each row, from the values of a truth column.

    ``None`` where the values are no labels: most of them stand alone (free texts), or they are numbers with fractions (measures).
    Rows of the same labels have one list.
    """
    lists: dict[tuple[str, ...], list[str]] = {}
    labels = [lists.setdefault(tuple(names), names) for names in map(names_of, values)]
    counts = Counter(label for row in labels for label in row)
    return labels if 2 * len(counts) <= counts.total() and not _measures(counts) else None


def strata_of(labels: Sequence[Sequence[str]]) -> list[str]:
    """A stratum for each row: its label, or the rarest of its ``labels``."""
    counts = Counter(label for row in labels for label in row)
    return [min(row, key=lambda label: (counts[label], label), default="") for row in labels]


def few(labels: Sequence[Sequence[str]], order: Sequence[int], shots: int) -> tuple[list[int], Counter[str]]:
    """The first rows in ``order`` so that each label has ``shots`` of them, as far as there are so many, and how many each has.

    A row of several labels is taken for any that has too few.
    """
    counts: Counter[str] = Counter({label: 0 for of_row in labels for label in of_row})
    chosen = []
    for row in order:
        if any(counts[label] < shots for label in labels[row]):
            chosen.append(row)
            counts.update(labels[row])
    return chosen, counts


def _key(value: Any, is_file: bool) -> str:
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True, default=str)
    return f"file {digest(value)}" if is_file and is_there(value) else value


def _measures(labels: Iterable[str]) -> bool:
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return False
    return any(not number.is_integer() for number in numbers)


def _known_alone(held: np.ndarray, group_of: np.ndarray, labels: Sequence[Collection[str]]) -> np.ndarray:
    """``held`` (rows,) without the groups of rows that have a label which no row that is left has."""
    known = {label for row in np.flatnonzero(~held).tolist() for label in labels[row]}
    for row in np.flatnonzero(held).tolist():
        if held[row] and not known.issuperset(labels[row]):
            back = np.flatnonzero(group_of == group_of[row])
            held[back] = False
            known.update(label for other in back.tolist() for label in labels[other])
    return held


def _codes(strata: Sequence[str]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(sorted(set(strata)))}
    return np.fromiter((numbers[name] for name in strata), np.int64, len(strata))


def _targets(counts: np.ndarray, fraction: float) -> np.ndarray:
    """How many rows each stratum gives: the whole part of its share, and one more by largest remainder, but never all of its rows."""
    shares = counts * fraction
    targets = np.minimum(np.floor(shares).astype(np.int64), counts - 1)
    missing = max(1, round(float(shares.sum()))) - int(targets.sum())
    for stratum in np.argsort(np.floor(shares) - shares, kind="stable"):
        if missing > 0 and targets[stratum] < min(counts[stratum] - 1, shares[stratum]):
            targets[stratum] += 1
            missing -= 1
    return np.asarray(targets)
