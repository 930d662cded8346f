"""Facts of a run, complete and small."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tunesmith.report.facts import Facts

LABELS = ["negative", "neutral", "positive"]


def scored(counts: list[list[int]], ece: float) -> dict[str, Any]:
    """Scores of three classes from a confusion matrix."""
    total, hits = sum(map(sum, counts)), [counts[i][i] for i in range(3)]
    claimed = [sum(row[i] for row in counts) for i in range(3)]
    shares = [(hit / (claim or 1), hit / sum(row)) for hit, claim, row in zip(hits, claimed, counts, strict=True)]
    per_class = {
        label: {"precision": p, "recall": r, "f1": 2 * p * r / ((p + r) or 1), "support": sum(row)}
        for label, (p, r), row in zip(LABELS, shares, counts, strict=True)
    }
    bins = [{"confidence": 0.55, "accuracy": 0.5, "count": 20}, {"confidence": 0.95, "accuracy": 0.9, "count": 80}]
    return {
        "accuracy": sum(hits) / total,
        "f1_macro": sum(one["f1"] for one in per_class.values()) / 3,
        "log_loss": 0.61,
        "ece": ece,
        "per_class": per_class,
        "confusion": counts,
        "calibration": bins,
    }


@pytest.fixture
def scores() -> dict[str, Any]:
    base, tuned = scored([[10, 20, 10], [10, 10, 10], [10, 10, 10]], 0.2), scored([[36, 3, 1], [4, 22, 4], [1, 2, 27]], 0.05)
    return {
        "task": "text_classification",
        "split": "test",
        "examples": 100,
        "primary": "accuracy",
        "base": base,
        "tuned": tuned,
        "gain": {"accuracy": {"delta": 0.55, "ci95": [0.44, 0.66]}},
        "baselines": {"majority": {"accuracy": 0.4}, "tfidf": {"accuracy": 0.7}},
        "flips": {"fixed": 58, "broken": 3},
    }


@pytest.fixture
def facts(scores: dict[str, Any]) -> Facts:
    """Every field filled."""
    steps = [{"event": "step", "step": s, "epoch": s / 20, "loss": math.exp(-s / 30) + 0.1 * (s % 3), "rate": 1e-4} for s in range(1, 61)]
    judged = [{"event": "evaluation", "step": s, "scores": {"accuracy": 0.5 + s / 200, "log_loss": 1 - s / 100}} for s in (20, 40, 60)]
    return Facts(
        name="reviews",
        task="text_classification",
        scores=scores,
        recipe_text="model: sample:minilm # small\ntask: text_classification\nstrategies:\n  - freeze: {layers: 4}\n",
        command="tunesmith train runs/reviews/recipe.resolved.yaml --run reviews-again",
        model_about="BERT, 6 layers of width 384, 22.7 M weights",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        licences={"sentence-transformers/all-MiniLM-L6-v2": "Apache-2.0", "sample:sentiment": "MIT"},
        datasets=["sample:sentiment"],
        languages=["en"],
        auto="AutoModelForSequenceClassification",
        events=[
            *steps,
            *judged,
            {"event": "say", "step": 0, "text": "layers 1 to 4 are cached"},
            {"event": "end", "step": 60, "reason": ""},
        ],
        errors=[
            {"text": f"wrong number {i}", "truth": "positive", "predicted": "negative", "confidence": 0.9 - i / 100} for i in range(20)
        ],
        lengths=[5 + i % 150 for i in range(400)],
        max_length=128,
        truncated=52,
        bounds="task.max_length 128 or what the model takes",
        rows={"train": 400, "validation": 50, "test": 100, "skipped": 2},
        notes=["2 rows were skipped"],
        warnings=["the classes differ much in size"],
        environment={"python": "3.11.2", "packages": {"torch": "2.13.0"}, "cores": 2},
        strategies=[{"name": "freeze", "settings": {"layers": 4}, "summary": "The first four layers stay as they are."}],
        parameters=[
            {"part": "embeddings", "total": 11_900_000, "learning": 0},
            {"part": "layer 1", "total": 1_800_000, "learning": 1_800_000, "rate": 0.9},
            {"part": "head", "total": 155_520, "learning": 155_520, "rate": 1.0},
        ],
        seconds=64.3,
        tokens_per_second=3120.5,
        peak_memory=1.34e9,
        examples=[{"text": "a fine film", "predicted": "positive", "confidence": 0.98}],
        sections=[{"title": "Own figures", "kind": "pairs", "data": {"items": [("answer", 42)]}}],
    )
