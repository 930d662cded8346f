"""Writes entities.json: what seqeval says of sentences of tags, in every scheme, right and wrong ones.

    PYTHONPATH=seqeval-1.2.2 python tests/reference/entities.py

seqeval 1.2.2 is on the Python package index; it reports ratios that divide by nothing as 0.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_suffix(".json")
WRITTEN: list[tuple[str, str]] = [  # truth, prediction
    ("O O B-MISC I-MISC I-MISC O", "O B-MISC I-MISC I-MISC I-MISC O"),
    ("B-PER I-PER O", "B-PER I-PER O"),
    ("B-PER I-PER B-PER O", "I-PER I-PER B-PER O"),
    ("B-PER I-LOC O", "I-PER I-LOC I-LOC"),
    ("S-PER B-LOC E-LOC O", "S-PER I-LOC E-LOC O"),
    ("B-LOC I-LOC E-LOC S-PER", "E-LOC I-LOC E-LOC E-PER"),
    ("I-PER I-PER I-LOC O I-LOC", "I-PER I-PER I-LOC O I-PER"),
    ("O O O", "O O O"),
    ("O O O", "B-A-B O I-A-B"),
    ("B-LOC", "O"),
]
TAGS = {"bio": ["O", "B-X", "I-X", "B-Y", "I-Y"], "bioes": ["O", "B-X", "I-X", "E-X", "S-X", "S-Y", "E-Y"], "io": ["O", "I-X", "I-Y"]}


def sentences() -> dict[str, tuple[list[list[str]], list[list[str]]]]:
    """Truths and predictions by name."""
    found = {"written": tuple([list(pair[side].split()) for pair in WRITTEN] for side in (0, 1))}
    for scheme, tags in TAGS.items():
        draw = random.Random(scheme)
        lengths = [draw.randint(1, 7) for _ in range(25)]
        found[scheme] = tuple([[draw.choice(tags) for _ in range(length)] for length in lengths] for _ in range(2))
    return found  # type: ignore[return-value]


def scores(truths: list[list[str]], predicted: list[list[str]]) -> dict[str, Any]:
    from seqeval.metrics import accuracy_score, classification_report  # type: ignore[import-not-found]
    from seqeval.metrics.sequence_labeling import get_entities  # type: ignore[import-not-found]

    report = classification_report(truths, predicted, output_dict=True, zero_division=0)
    plain = {name: {key: float(value) for key, value in row.items()} for name, row in report.items()}
    return {"report": plain, "accuracy": float(accuracy_score(truths, predicted)), "entities": [get_entities(tags) for tags in predicted]}


if __name__ == "__main__":
    cases = {
        name: {"truths": truths, "predicted": predicted, **scores(truths, predicted)} for name, (truths, predicted) in sentences().items()
    }
    OUT.write_text(json.dumps(cases) + "\n", encoding="utf-8")
