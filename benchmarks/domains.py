"""Across domains: sentences of one domain with labels, another to be right on, of which there are none.

    python benchmarks/domains.py [--rows 300] [--out runs/domains] [--only plain dann ...] [--pairs 12] [--seeds 3]

Positive or negative tweets, editorials, product and film reviews: so many rows of the source to learn from, as many of the target without
their labels, and others of the target to judge by, for every ordered pair. ``adapted`` first goes on with MiniLM's pre-training on both
domains' sentences (masked language modelling) and then learns the labels. Runs that are done are read; one that was interrupted goes on.
Prints the mean accuracy on the target for each remedy, and the gain over plain tuning with twice its standard error over the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from sentences import DOMAINS, scores, tables

PLAIN = "plain"
REMEDIES = (PLAIN, "adapted", "domain_adversarial", "mmd", "coral", "importance_weighting")
TASK = {"text_classification": {"max_length": 64}}


def recipe(data: Path, source: str, target: str, remedy: str, seed: int) -> dict[str, Any]:
    """The same for every remedy, but for what it adds."""
    there = str(data / f"{target}-train.jsonl")
    labelled = {"train": str(data / f"{source}-train.jsonl"), "validation": None, "test": str(data / f"{target}-test.jsonl")}
    training = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-4, "ship": "last"}
    made: dict[str, Any] = {"model": "sample:minilm", "baselines": False, "seed": seed}
    if remedy == "adapted":
        both = {"train": [labelled["train"], there], "validation": None, "test": None}
        words = {"task": {"masked_language_modelling": {"max_length": 64}}, "data": both, "training": training}
        return made | {"stages": [words | {"name": "words"}, {"name": "labels", "task": TASK, "data": labelled, "training": training}]}
    strategies = [] if remedy == PLAIN else [{remedy: {"target": there}}]
    return made | {"task": TASK, "data": labelled, "training": training, "strategies": strategies}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("runs/domains"))
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    parser.add_argument("--pairs", type=int, default=12, help="the first so many of the 12 pairs")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    tables(asked.out / f"data-{asked.rows}", asked.rows)
    found: dict[str, list[float]] = {}
    for seed in range(asked.seeds):
        for source, target in list(permutations(DOMAINS, 2))[: asked.pairs]:
            for remedy in asked.only:
                made = recipe(asked.out.resolve() / f"data-{asked.rows}", source, target, remedy, seed)
                score = scores(f"{source}-{target}-{remedy}-{seed}", made, asked.out)["tuned"]["accuracy"]
                found.setdefault(remedy, []).append(100 * score)
                print(f"{source} -> {target}, seed {seed}: {remedy} {score:.3f}", flush=True)
    print("\n| remedy | accuracy on the target | gain | runs |\n|---|--:|--:|--:|")
    for remedy, reached in found.items():
        gains = [mine - plain for mine, plain in zip(reached, found.get(PLAIN, []), strict=False)]
        error = f" ± {2 * statistics.stdev(gains) / len(gains) ** 0.5:.1f}" if len(gains) > 1 and remedy != PLAIN else ""
        gain = f"{statistics.mean(gains):+.1f}{error}" if gains else ""
        print(f"| {remedy} | {statistics.mean(reached):.1f} | {gain} | {len(reached)} |")


if __name__ == "__main__":
    main()
