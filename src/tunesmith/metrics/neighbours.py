"""How well vectors find what belongs to them among all others: ranks, recall, reciprocal rank; and the order of similarities."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.metrics.classify import correlation
from tunesmith.metrics.interval import Rows
from tunesmith.metrics.rank import average_ranks

CUTS = (1, 5, 10)  # ranks at which recall is taken
_ROWS = 1000  # anchors compared at a time
_EQUAL = 1e-6  # a difference of cosines that says nothing


def ranks(
    anchors: npt.ArrayLike, positives: npt.ArrayLike, keys: Sequence[tuple[str, str]], others: Sequence[tuple[str, npt.ArrayLike]] = ()
) -> npt.NDArray[np.int64]:
    """The rank, from 1, of each row's positive for its anchor, among the positives of all rows and ``others``: (rows,).

    ``anchors`` and ``positives`` (rows, hidden) have length 1; ``keys`` tell which anchors and which positives are the same, one pair a
    row; ``others`` are more candidates, each a key with its vector. A candidate counts once. The anchor itself, and positives of the same
    anchor in other rows, are passed over. Of equal similarities the positive comes last.
    """
    anchors, positives = np.asarray(anchors, np.float32), np.asarray(positives, np.float32)
    known = dict(others) | {positive: vector for (_, positive), vector in zip(keys, positives, strict=True)}
    column = {key: number for number, key in enumerate(known)}
    table = np.array(list(known.values()), np.float32)  # (candidates, hidden)
    passed: dict[str, set[int]] = {}
    for anchor, positive in keys:
        passed.setdefault(anchor, {column[key] for key in (anchor,) if key in column}).add(column[positive])
    found: list[int] = []
    for start in range(0, len(keys), _ROWS):
        for (anchor, positive), similar in zip(keys[start : start + _ROWS], anchors[start : start + _ROWS] @ table.T, strict=True):
            above = similar >= similar[column[positive]] - _EQUAL
            above[list(passed[anchor])] = False
            found.append(1 + int(above.sum()))
    return np.array(found, np.int64)


def ranks_of(texts: Sequence[Sequence[str]], vectors: Sequence[Sequence[Sequence[float]]]) -> npt.NDArray[np.int64]:
    """The ``ranks`` of rows that have an anchor, its positive and perhaps a negative each, as texts and as vectors of length 1."""
    negatives = [(of_row[2], own[2]) for of_row, own in zip(texts, vectors, strict=True) if len(of_row) > 2]
    anchors, positives = ([own[side] for own in vectors] for side in (0, 1))
    return ranks(anchors, positives, [(of_row[0], of_row[1]) for of_row in texts], negatives)


def retrieval(found: npt.ArrayLike) -> dict[str, float]:
    """``mrr``, the mean of one by the rank, and ``recall@k``, the share of ranks of at most k, from ranks (rows,) of 1 upwards."""
    found = np.asarray(found, float)
    if not len(found):
        return {}
    return {"mrr": float((1 / found).mean()), **{f"recall@{cut}": float((found <= cut).mean()) for cut in CUTS}}


def order(similarities: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, float]:
    """``spearman`` and ``pearson``, the correlations of similarities with scores (rows,); 0 where either is constant."""
    similarities, scores = np.asarray(similarities, float), np.asarray(scores, float)
    if not len(scores):
        return {}
    found = {"spearman": correlation(average_ranks(similarities), average_ranks(scores)), "pearson": correlation(similarities, scores)}
    return {name: value or 0.0 for name, value in found.items()}


def order_over(similarities: npt.ArrayLike, scores: npt.ArrayLike) -> Callable[[Rows], float]:
    """``spearman`` of ``order`` as a function of row numbers, with repetition."""
    table = np.stack([np.asarray(similarities, float), np.asarray(scores, float)])
    return lambda rows: order(*table[:, rows])["spearman"]


def agreement(similarities: npt.ArrayLike, scores: npt.ArrayLike) -> list[float]:
    """How well each row stands where its score puts it: 1 less the distance of its two ranks by the largest there can be, (rows,)."""
    distances = np.abs(average_ranks(similarities) - average_ranks(scores))
    agreed: list[float] = (1 - distances / max(1, len(distances) - 1)).tolist()
    return agreed
