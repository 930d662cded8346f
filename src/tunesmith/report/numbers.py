"""How figures are written: metrics in their own unit, counts, sizes and times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_SHARES = {"accuracy", "precision", "recall", "f1", "match"}  # a metric with one of these words is a share of 1, shown in percent
_ERRORS = {"loss", "bits", "ece", "mse", "rmse", "mae", "error", "perplexity", "wer", "cer", "ter"}  # with one of these, lower is better
_CAPITALS = {"auc", "bleu", "cer", "ece", "f1", "mae", "map", "mcc", "mrr", "mse", "ndcg", "r2", "rmse", "ter", "wer"}
_NAMES = {"rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L", "chrf": "chrF"}
_BASELINES = {
    "majority": "majority class",
    "mean": "mean of the training rows",
    "tfidf": "TF-IDF + logistic regression",
    "linear_probe": "linear probe on the frozen base",
    "bm25": "BM25",
    "lsa": "LSA",
}


def title(metric: str) -> str:
    """``f1_macro`` as people write it: ``F1 macro``; a name of its own at the end stays one: ``summaries_rouge_l``, ``ndcg@10``."""
    known = next((name for name in _NAMES if f"_{metric}".endswith(f"_{name}")), "")
    words = metric.removesuffix(known).strip("_").split("_")
    shown = [word.upper() if word.partition("@")[0] in _CAPITALS else word for word in words]
    return " ".join([*filter(None, shown), *([_NAMES[known]] if known else [])])


def baseline(name: str) -> str:
    """A baseline as people call it."""
    return _BASELINES.get(name, name.replace("_", " "))


def is_share(metric: str) -> bool:
    return not _SHARES.isdisjoint(metric.split("_"))


def lower_is_better(metric: str) -> bool:
    return not _ERRORS.isdisjoint(metric.split("_"))


def scalars(scores: Mapping[str, Any]) -> dict[str, float]:
    """The plain numbers among scores, without tables and lists."""
    return {name: value for name, value in scores.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}


def value(metric: str, number: float | None) -> str:
    """A score with its unit; a dash for none."""
    if number is None:
        return "–"
    if not math.isfinite(number):
        return "not finite"
    if is_share(metric):
        return share(number)
    return f"{number:.3f}".replace("-", "−") if 0.001 <= abs(number) < 10 else figure(number)


def change(metric: str, delta: float | None, unit: bool = False) -> str:
    """A difference of scores with its sign; shares differ by points."""
    if delta is None or not math.isfinite(delta):
        return value(metric, delta)
    if is_share(metric):
        return f"{100 * delta:+.1f}".replace("-", "−") + (" points" if unit else "")
    return ("−" if delta < 0 else "+") + (f"{abs(delta):.3f}" if abs(delta) < 10 else figure(abs(delta)))


def share(part: float) -> str:
    return f"{100 * part:.1f}%".replace("-", "−")


def figure(number: float) -> str:
    """Four significant digits, whole numbers as counts: 0.8312, 12.41, 1,080."""
    if not math.isfinite(number):
        return "not finite"
    whole = float(number).is_integer() and abs(number) < 1e15
    text = f"{number:,.0f}" if whole or abs(number) >= 1000 else f"{number:.4g}"
    return text.replace("-", "−")


def compact(number: float) -> str:
    """Large counts by thousands, millions and billions: 22.7 M."""
    if number < 10_000:
        return f"{number:,.0f}"
    size, letter = next((size, letter) for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if number >= size)
    return f"{number / size:.1f} {letter}"
