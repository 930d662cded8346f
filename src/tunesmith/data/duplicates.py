"""Texts that repeat others, word for word or nearly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.data.split import digests, normalised

Hashes = npt.NDArray[np.uint64]
Marks = npt.NDArray[np.bool_]

LENGTH = 4  # characters of a shingle
BANDS, WIDTH = 16, 8  # of a signature: texts that are alike by 0.8 share a band in 95 of 100 cases, by 0.5 in 6
ALIKE = 0.8  # Jaccard similarity from which texts are nearly the same
_DRAW = np.random.default_rng(0)
_TIMES, _PLUS = (_DRAW.integers(2**63, size=(BANDS * WIDTH, 1), dtype=np.uint64) * 2 + 1 for _ in range(2))
_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing


def repeated(texts: Iterable[str], others: Iterable[str], how: str) -> tuple[Marks, Marks]:
    """Which of ``texts`` repeat one of ``others``, and which only an earlier one that was kept: (texts,) each. ``how`` is exact or near.

    Case, blanks and Unicode form do not count. ``near`` compares sets of four characters in a row: it finds texts whose sets are alike
    by 0.8 or more with a chance of 95% or more, and no others.

    Source: Broder 1997, "On the resemblance and containment of documents"; bands: Leskovec et al., "Mining of Massive Datasets", 3.4.
    """
    return HOW[how](list(texts), list(others))


def exactly(texts: Sequence[str], others: Sequence[str]) -> tuple[Marks, Marks]:
    """Which of ``texts`` are the same as one of ``others``, and which only as an earlier one."""
    _, first, which = np.unique(digests([*others, *texts]), return_index=True, return_inverse=True)
    firsts = first[which][len(others) :]
    return firsts < len(others), (firsts >= len(others)) & (firsts < len(others) + np.arange(len(texts)))


def nearly(texts: Sequence[str], others: Sequence[str]) -> tuple[Marks, Marks]:
    """Which of ``texts`` are nearly the same as one of ``others``, and which only as an earlier one that was kept."""
    kept: list[Hashes] = []
    places: dict[tuple[int, bytes], list[int]] = {}
    of_others, of_earlier = np.zeros((2, len(texts)), bool)
    for number, text in enumerate([*others, *texts]):
        own = shingles(text)
        bands = [(band, values.tobytes()) for band, values in enumerate(signature(own).reshape(BANDS, WIDTH))]
        candidates = {place for band in bands for place in places.get(band, ())}
        asked = sorted(candidates) if number >= len(others) else ()  # the others stand first
        match = next((place for place in asked if jaccard(own, kept[place]) >= ALIKE), None)
        if match is not None:
            (of_others if match < len(others) else of_earlier)[number - len(others)] = True
            continue
        for band in bands:
            places.setdefault(band, []).append(len(kept))
        kept.append(own)
    return of_others, of_earlier


HOW: dict[str, Callable[[Sequence[str], Sequence[str]], tuple[Marks, Marks]]] = {"exact": exactly, "near": nearly}


def shingles(text: str) -> Hashes:
    """A hash of each set of characters in a row that the text has, in order and once: (shingles,). A short text is one."""
    codes = np.frombuffer(normalised(text).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    size = max(1, min(LENGTH, len(codes)))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(codes, (0, size - min(size, len(codes)))), size)
    found = np.full(len(windows), size, np.uint64)
    for column in windows.T:
        found = (found ^ column) * _PRIME
        found ^= found >> np.uint64(29)
    return np.unique(found)


def signature(found: Hashes) -> Hashes:
    """The least value of the shingles under each of 128 orders: two texts agree in one with the probability of their similarity."""
    least: Hashes = ((found[None] * _TIMES + _PLUS) >> np.uint64(20)).min(axis=1)
    return least


def jaccard(one: Hashes, other: Hashes) -> float:
    """How much two sets, each in order, have in common of what they have together."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
