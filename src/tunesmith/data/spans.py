"""Answers as spans of a text, by the scores of its tokens: the best ones of a window, and the best one of all windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float32]
Item = dict[str, Any]


def best_spans(starts: Floats, ends: Floats, longest: int, number: int) -> list[tuple[float, int, int]]:
    """The spans of at most ``longest`` tokens with the highest sums of their two scores: (score, first, last), best first.

    ``starts`` and ``ends`` (tokens,) are the scores of each token as the first and as the last one. Every span is looked at, not those
    alone whose ends are among the best.
    """
    if not len(starts):
        return []
    padded = np.concatenate([ends, np.full(longest - 1, -np.inf, ends.dtype)])
    sums = (starts[:, None] + sliding_window_view(padded, longest)).ravel()  # (tokens * longest,) by first token, then by length
    kept = np.argpartition(-sums, min(number, len(sums)) - 1)[:number]
    order = kept[np.lexsort((kept, -sums[kept]))].tolist()
    return [(float(sums[at]), at // longest, at // longest + at % longest) for at in order if np.isfinite(sums[at])]


def spans_of(item: Item, starts: Floats, ends: Floats, longest: int, number: int) -> Item:
    """The best spans of a window, [score, start, end, text] with their place in the whole context, and what ``none`` scores.

    ``item`` is of ``pad_windows``; ``starts`` and ``ends`` (length,) are the scores of all its tokens.
    """
    inside = slice(item["first"], item["first"] + len(item["starts"]))
    text = bytes(item["text"]).decode()
    spans = []
    for score, first, last in best_spans(starts[inside], ends[inside], longest, number):
        begin, part = item["starts"][first], text[item["starts"][first] : item["ends"][last]]
        begin, part = begin + len(part) - len(part.lstrip()), part.strip()
        spans += [[score, item["offset"] + begin, item["offset"] + begin + len(part), part]] if part else []
    return {"none": float(starts[item["none"]] + ends[item["none"]]), "spans": spans}


def choose(windows: Sequence[Item], number: int, threshold: float | None) -> Item:
    """The answer from what ``spans_of`` found in the windows of a context: the best span of all, and the ``number`` best as ``n_best``.

    With a ``threshold``, there is no answer where none scores higher than the best span by more, in the window that likes it least.
    Confidences are a softmax over the scores of those spans, and of none where there is a threshold.

    Source: Devlin et al. 2019, arXiv:1810.04805, section 4.3.
    """
    places: dict[tuple[int, int], Sequence[Any]] = {}
    for span in sorted((span for window in windows for span in window["spans"]), key=lambda span: -span[0]):
        places.setdefault((span[1], span[2]), span)  # windows overlap: a place may be in two
    spans = list(places.values())[:number]
    none = min(window["none"] for window in windows)
    scores = np.array([span[0] for span in spans] + ([none] if threshold is not None or not spans else []))
    odds = np.exp(scores - scores.max())
    chances = (odds / odds.sum()).tolist()
    found = [
        {"answer": text, "start": start, "end": end, "confidence": chance}
        for (_, start, end, text), chance in zip(spans, chances, strict=False)
    ]
    doubt = none - spans[0][0] if spans else 0.0
    withheld = not spans or (threshold is not None and doubt > threshold)
    best = {"answer": "", "start": None, "end": None, "confidence": chances[-1]} if withheld else found[0]
    return {**best, "n_best": found, **({} if threshold is None else {"no_answer": doubt})}
