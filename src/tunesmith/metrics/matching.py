"""Vectors of two kinds that belong in pairs: which texts lie nearest to an image, and how well either finds the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.metrics.neighbours import ranks, retrieval

WAYS = {"image_to_text": "text_rank", "text_to_image": "image_rank"}  # what is found by what -> where a match says its rank
_ROWS = 1000  # vectors compared at a time


def matches(images: npt.ArrayLike, texts: npt.ArrayLike, keys: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """For each pair its ``similarity``, the ``texts`` that are nearest to the image, and by ``WAYS`` the rank of its own among all.

    ``images`` and ``texts`` (rows, hidden) have length 1; ``keys`` tell which images and which texts are the same, and what belongs
    together: other texts of the same image, and other images of the same text, are passed over.
    """
    images, texts = np.asarray(images, np.float32), np.asarray(texts, np.float32)
    near = closest(images, [text for _, text in keys], texts)
    of_texts, of_images = ranks(images, texts, keys), ranks(texts, images, [(text, image) for image, text in keys])
    rows = zip((images * texts).sum(axis=1).tolist(), near, of_texts.tolist(), of_images.tolist(), strict=True)
    return [dict(zip(("similarity", "texts", *WAYS.values()), row, strict=True)) for row in rows]


def both_ways(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """``recall@k`` and ``mrr`` of matches, the mean of both ways, and each way's ``recall@1``."""
    ways = {way: retrieval([match[rank] for match in found]) for way, rank in WAYS.items()}
    first = next(iter(ways.values()))
    means = {name: fmean(way[name] for way in ways.values()) for name in first}
    return means | {f"{way}_recall@1": values["recall@1"] for way, values in ways.items() if values}


def closest(anchors: npt.ArrayLike, texts: Sequence[str], vectors: npt.ArrayLike, most: int = 3) -> list[list[str]]:
    """For each of ``anchors`` (rows, hidden) the ``most`` texts whose ``vectors`` (texts, hidden) are nearest, the nearest first.

    All vectors have length 1; a text that stands there twice counts once.
    """
    anchors, vectors = np.asarray(anchors, np.float32), np.asarray(vectors, np.float32)
    places: dict[str, int] = {}
    for place, text in enumerate(texts):
        places.setdefault(text, place)
    names, table = list(places), vectors[list(places.values())]
    found: list[list[str]] = []
    for start in range(0, len(anchors), _ROWS):
        order = np.argsort(-(anchors[start : start + _ROWS] @ table.T), axis=1, kind="stable")[:, :most]
        found += [[names[place] for place in row] for row in order.tolist()]
    return found
