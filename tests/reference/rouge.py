"""Writes rouge.json: what the rouge-score package says of a list of texts.

    PYTHONPATH=folder-of-rouge-score python tests/reference/rouge.py

rouge-score 0.1.2 without stemming: https://github.com/google-research/google-research/tree/master/rouge.
"""

from __future__ import annotations

import json
from pathlib import Path

OUT = Path(__file__).with_suffix(".json")
TEXTS: list[tuple[str, list[str]]] = [
    ("the cat sat on the mat", ["the cat was on the mat"]),
    ("The cat, the CAT!", ["a cat and a cat and a dog"]),
    ("police killed the gunman", ["police kill the gunman", "the gunman police killed"]),
    ("a b c d e f g", ["g f e d c b a"]),
    ("library for reading PNG images", ["PNG image library - runtime files", "library to read images"]),
    ("state-of-the-art: 3.5 GHz (x86_64)", ["state of the art, 3 5 ghz x86 64"]),
    ("one", ["one"]),
    ("one two", ["two one"]),
    ("nothing in common", ["wholly different words"]),
    ("", ["something"]),
    ("something", [""]),
    ("...", ["!"]),
    ("the the the the", ["the cat the"]),
    ("don't stop", ["dont stop", "don t stop now"]),
]


def main() -> None:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-not-found]

    names = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}
    scorer = RougeScorer(list(names))
    found = []
    for predicted, references in TEXTS:
        scores = [scorer.score(reference, predicted) for reference in references]
        found.append({name: max(float(score[theirs].fmeasure) for score in scores) for theirs, name in names.items()})
    cases = [
        {"predicted": predicted, "references": references, **scores} for (predicted, references), scores in zip(TEXTS, found, strict=True)
    ]
    OUT.write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
