"""How well candidates are ranked for a query: nDCG, reciprocal rank, average precision, recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

CUTS = (1, 5, 10)  # ranks at which recall is taken
DEPTH = 10  # of nDCG


def ranking(relevances: Sequence[npt.ArrayLike], scores: Sequence[npt.ArrayLike]) -> dict[str, Any]:
    """The mean over queries of ``ndcg@10``, ``mrr``, ``map`` and ``recall@k``; queries that no ranking can tell apart are left out.

    ``relevances`` of each query are (candidates,) numbers of 0 or more, of which those above 0 count as relevant; ``scores`` rank the
    candidates, the highest first. Of equal scores the less relevant comes first: who cannot tell two apart gets no credit. ``queries``
    says how many were judged; without any there is no mean.

    Source: Järvelin & Kekäläinen 2002, doi:10.1145/582415.582418 (nDCG with the relevance itself as gain, as in trec_eval); Manning,
    Raghavan & Schütze 2008, Introduction to Information Retrieval, section 8.4.
    """
    ranked = [by_score(of_query, given) for of_query, given in zip(relevances, scores, strict=True)]
    judged = [of_query for of_query in ranked if len(of_query) and of_query.min() < of_query.max()]
    if not judged:
        return {"queries": 0}
    values = {
        f"ndcg@{DEPTH}": [ndcg(of_query, DEPTH) for of_query in judged],
        "mrr": [reciprocal_rank(of_query) for of_query in judged],
        "map": [average_precision(of_query) for of_query in judged],
        **{f"recall@{cut}": [recall(of_query, cut) for of_query in judged] for cut in CUTS},
    }
    return {**{name: float(np.mean(of_queries)) for name, of_queries in values.items()}, "queries": len(judged)}


def by_score(relevances: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The relevances (candidates,) in the order of the scores, the highest first; of equal scores the least relevant first."""
    relevances, scores = np.asarray(relevances, float), np.asarray(scores, float)
    ranked: npt.NDArray[np.float64] = relevances[np.lexsort((relevances, -scores))]
    return ranked


def ndcg(ranked: npt.ArrayLike, depth: int | None = None) -> float:
    """The discounted gain of ranked relevances beside that of the best order: ``DCG = sum_i relevance_i / log2(i + 1)``, i from 1."""
    ranked = np.asarray(ranked, float)
    discounts = 1 / np.log2(np.arange(2, len(ranked) + 2))
    discounts[len(ranked) if depth is None else depth :] = 0
    best = np.sort(ranked)[::-1] @ discounts
    return float(ranked @ discounts / best) if best > 0 else 0.0


def reciprocal_rank(ranked: npt.ArrayLike) -> float:
    """One by the rank, from 1, of the first candidate that is relevant; 0 where none is."""
    found = np.flatnonzero(np.asarray(ranked, float) > 0)
    return float(1 / (found[0] + 1)) if len(found) else 0.0


def average_precision(ranked: npt.ArrayLike) -> float:
    """The mean, over the relevant candidates, of the share of relevant ones among those ranked as high; 0 where none is relevant."""
    found = np.flatnonzero(np.asarray(ranked, float) > 0)
    return float(np.mean(np.arange(1, len(found) + 1) / (found + 1))) if len(found) else 0.0


def recall(ranked: npt.ArrayLike, depth: int) -> float:
    """The share of the relevant candidates that are among the first ``depth``; 0 where none is relevant."""
    relevant = np.asarray(ranked, float) > 0
    return float(relevant[:depth].sum() / relevant.sum()) if relevant.any() else 0.0
