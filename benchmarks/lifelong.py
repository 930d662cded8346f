"""Lifelong learning: four domains of sentences, one after the other, without a remedy and with each.

    python benchmarks/lifelong.py [--rows 300] [--seeds 3] [--out runs/lifelong] [--only plain replay ...]

Positive or negative tweets, editorials, product and film reviews, so many rows of each to learn from and as many to judge by. A run that
was interrupted goes on where it stood; finished ones are read. Prints a row of markdown for each,
with means over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
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


def recipe(folder: Path, strategies: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """The same for every remedy."""
    data = [{"train": str(folder / f"{domain}-train.jsonl"), "test": str(folder / f"{domain}-test.jsonl")} for domain in DOMAINS]
    return {
        "model": "sample:minilm",
        "task": {"text_classification": {"max_length": 64}},
        "data": {"validation": None},
        "strategies": strategies,
        "training": {"epochs": 3, "batch_size": 16, "learning_rate": 1e-4, "ship": "last"},
        "baselines": False,
        "seed": seed,
        "sequence": [{"name": domain, "data": of} for domain, of in zip(DOMAINS, data, strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/lifelong"))
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    asked = parser.parse_args()
    tables(asked.out / "data", asked.rows)
    print(f"| {' | '.join(('remedy', *(measure.replace('_', ' ') for measure in MEASURES), 'seconds'))} |")
    print(f"|---|{'--:|' * (len(MEASURES) + 1)}")
    for name in asked.only:
        data = asked.out.resolve() / "data"
        runs = [scores(f"{name}-{seed}", recipe(data, REMEDIES[name], seed), asked.out) for seed in range(asked.seeds)]
        means = [statistics.mean(run["sequence"][measure] for run in runs) for measure in MEASURES]
        seconds = statistics.mean(sum(stage["seconds"]["train"] for stage in run["stages"]) for run in runs)
        print(f"| {' | '.join((name, *(f'{100 * mean:.1f}' for mean in means), f'{seconds:.0f}'))} |", flush=True)


if __name__ == "__main__":
    main()
