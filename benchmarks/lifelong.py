"""Lifelong learning: four domains of sentences, one after the other, without a remedy and with each.

    python benchmarks/lifelong.py [--rows 300] [--out runs/lifelong] [--only plain replay ...]

Positive or negative tweets, editorials, product and film reviews, so many rows of each to learn from and as many to judge by. A run that
was interrupted goes on where it stood; finished ones are read. Prints a row of markdown for each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from sentences import DOMAINS, scores, tables

REMEDIES: dict[str, list[dict[str, Any]]] = {
    "plain": [],
    "replay": [{"replay": {"share": 0.05, "num_rows": 60}}],
    "ewc": [{"ewc": {}}],
    "si": [{"si": {}}],
    "lwf": [{"lwf": {}}],
    "gem": [{"gem": {"memory_rows": 60}}],
}
MEASURES = ("average", "forgetting", "backward_transfer", "forward_transfer")


def recipe(folder: Path, strategies: list[dict[str, Any]]) -> dict[str, Any]:
    """The same for every remedy."""
    data = [{"train": str(folder / f"{domain}-train.jsonl"), "test": str(folder / f"{domain}-test.jsonl")} for domain in DOMAINS]
    return {
        "model": "sample:minilm",
        "task": {"text_classification": {"max_length": 64}},
        "data": {"validation": None},
        "strategies": strategies,
        "training": {"epochs": 3, "batch_size": 16, "learning_rate": 1e-4, "ship": "last"},
        "baselines": False,
        "sequence": [{"name": domain, "data": of} for domain, of in zip(DOMAINS, data, strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("runs/lifelong"))
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    asked = parser.parse_args()
    tables(asked.out / "data", asked.rows)
    print(f"| {' | '.join(('remedy', *(measure.replace('_', ' ') for measure in MEASURES), 'seconds'))} |")
    print(f"|---|{'--:|' * (len(MEASURES) + 1)}")
    for name in asked.only:
        found = scores(name, recipe(asked.out.resolve() / "data", REMEDIES[name]), asked.out)
        seconds = sum(stage["seconds"]["train"] for stage in found["stages"])
        cells = [name, *(f"{100 * found['sequence'][measure]:.1f}" for measure in MEASURES), f"{seconds:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
