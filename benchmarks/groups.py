"""Groups whose labels come together by chance of the rows: do the gaps between them close, and what does that cost.

    python benchmarks/groups.py [--rows 300] [--skew 0.85] [--out runs/groups] [--only plain fairness ...] [--seeds 3]

Positive and negative sentences of tweets and of film reviews, which are the groups: of so many rows of each the tweets are positive by
``--skew``, and the films negative by as much, so that a model may answer by where a sentence comes from. It is judged on rows of both that
are half positive. Prints for each remedy the accuracy, that of the worse group and the gap in equalised odds, in points, and what it
changes beside plain tuning with twice the standard error over the seeds. Runs that are done are read; one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from sentences import scores, tables

PLAIN = "plain"
GROUPS = {"tweets": "positive", "movies": "negative"}  # and the label that most of its rows have
BY_CELL: dict[str, Any] = {"balance": {"by": "cell", "power": 0}}
REMEDIES: dict[str, list[Any]] = {
    PLAIN: [],
    "balance by cell": [BY_CELL],
    "fairness": ["fairness"],
    "fairness, balance by cell": [BY_CELL, "fairness"],
    "group_dro": ["group_dro"],
    "adversarial_debiasing": ["adversarial_debiasing"],
}
FIGURES = ("accuracy", "worse group", "gap")


def skewed(folder: Path, rows: int, skew: float) -> dict[str, Any]:
    """The files: of each group so many rows to learn from, most of them with its label, and to judge by all that there are of each."""
    tables(folder, 4 * rows)
    for split in ("train", "test"):
        found = []
        for group, label in GROUPS.items():
            own = [json.loads(line) for line in (folder / f"{group}-{split}.jsonl").read_text(encoding="utf-8").splitlines()]
            most, few = ([row for row in own if (row["label"] == label) is of_group] for of_group in (True, False))
            half = min(len(most), len(few))
            frequent = round(rows * skew) if split == "train" else half
            rare = rows - frequent if split == "train" else half
            found += [row | {"group": group} for row in (*most[:frequent], *few[:rare])]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    columns = {"text": "text", "label": "label", "group": "group"}
    return {"train": str(folder / "train.jsonl"), "validation": None, "test": str(folder / "test.jsonl"), "columns": columns}


def figures(found: dict[str, Any]) -> tuple[float, float, float]:
    """Accuracy, that of the worse group, and the gap in equalised odds, in points."""
    of_groups = found["groups"]["tuned"]
    worse = min(group["accuracy"] for group in of_groups["by_group"].values())
    return 100 * found["tuned"]["accuracy"], 100 * worse, 100 * of_groups["gaps"]["equalised_odds_difference"]["value"]


def beside(mine: list[float], plain: list[float]) -> str:
    """The mean, and what it is beside plain tuning of the same seeds."""
    changes = [one - other for one, other in zip(mine, plain, strict=True)]
    error = f" ± {2 * statistics.stdev(changes) / len(changes) ** 0.5:.1f}" if len(changes) > 1 else ""
    return f"{statistics.mean(mine):.1f}" + (f" ({statistics.mean(changes):+.1f}{error})" if mine is not plain else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--skew", type=float, default=0.85)
    parser.add_argument("--out", type=Path, default=Path("runs/groups"))
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    data = skewed(asked.out.resolve() / f"data-{asked.rows}-{asked.skew}", asked.rows, asked.skew)
    training = {"epochs": 3, "batch_size": 16, "learning_rate": 1e-4, "ship": "last"}
    made = {"model": "sample:minilm", "task": {"text_classification": {"max_length": 64}}, "data": data, "training": training}
    reached: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(asked.seeds):
        for remedy in dict.fromkeys([PLAIN, *asked.only]):
            recipe = made | {"strategies": REMEDIES[remedy], "seed": seed, "baselines": False}
            found = figures(scores(f"{remedy.replace(', ', '-').replace(' ', '-')}-{seed}", recipe, asked.out))
            reached.setdefault(remedy, []).append(found)
            print(f"seed {seed}: {remedy}", *(f"{value:.1f}" for value in found), flush=True)
    print(f"\n| remedy | {' | '.join(FIGURES)} |\n|---|--:|--:|--:|")
    plain = [list(values) for values in zip(*reached[PLAIN], strict=True)]
    for remedy, runs in reached.items():
        values = plain if remedy == PLAIN else [list(column) for column in zip(*runs, strict=True)]
        print(f"| {remedy} | {' | '.join(beside(mine, of_plain) for mine, of_plain in zip(values, plain, strict=True))} |")


if __name__ == "__main__":
    main()
