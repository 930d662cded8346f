"""Few, some and all labels: curriculum, augmentation, self-training and consistency beside plain tuning, on shares of the rows.

    python benchmarks/shares.py [--rows 1000] [--steps 200] [--seeds 3] [--shares 5 20 100] [--only plain augment ...] [--out runs/shares]

Package descriptions of four topics, cut at 32 tokens; all contenders take as many steps of 8 rows with every share. Self-training and
consistency see the rows that are left over without their labels, so they have nothing to do with all of the rows. Runs that are done are
read; one that was interrupted goes on. Prints the accuracy, and the gain over plain tuning: of one seed with the paired 95% interval over
the rows, of several with twice the standard error over the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from labelled import rows, thinned
from sentences import scores

PLAIN = "plain"
LABELS, JUDGED = 4, 300
UNLABELLED = ("self_training", "consistency")
REMEDIES: dict[str, list[Any]] = {
    PLAIN: [],
    "curriculum": [{"curriculum": {"by": "length"}}],
    "augment": ["augment"],
    "self_training": [{"self_training": {"unlabelled": "REST"}}],
    "consistency": [{"consistency": {"unlabelled": "REST"}}],
}


def tables(folder: Path, most: int, shares: list[int]) -> None:
    """A file of rows with labels and one of the texts that are left over for each share, and one to judge by."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, found: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
        text = "".join(json.dumps({column: row[column] for column in columns}) + "\n" for row in found)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    train = thinned(rows("topics", "train", LABELS), most)
    write("test", thinned(rows("topics", "test", LABELS), JUDGED), ("text", "label"))
    for share in shares:
        kept = {index for label in {row["label"] for row in train} for index in some(train, label, share)}
        write(f"labelled-{share}", [row for index, row in enumerate(train) if index in kept], ("text", "label"))
        write(f"rest-{share}", [row for index, row in enumerate(train) if index not in kept], ("text",))


def some(train: list[dict[str, Any]], label: str, share: int) -> list[int]:
    """The first so many percent of the rows of a label, one at least."""
    own = [index for index, row in enumerate(train) if row["label"] == label]
    return own[: max(1, round(share * len(own) / 100))]


def recipe(folder: Path, remedy: str, share: int, steps: int, seed: int) -> dict[str, Any]:
    """The same for every remedy, but for its strategy."""
    rest = str(folder / f"rest-{share}.jsonl")
    return {
        "model": "sample:minilm",
        "task": {"text_classification": {"max_length": 32}},
        "data": {"train": str(folder / f"labelled-{share}.jsonl"), "validation": None, "test": str(folder / "test.jsonl")},
        "strategies": json.loads(json.dumps(REMEDIES[remedy]).replace('"REST"', json.dumps(rest))),
        "training": {"steps": steps, "batch_size": 8, "learning_rate": 1e-4, "ship": "last"},
        "baselines": False,
        "seed": seed,
    }


def gain(names: list[str], plain: list[str], runs: Path) -> str:
    """How many points the runs are better than the plain ones of the same seeds."""
    from tunesmith.studies.compare import compare

    found = [compare([b, a], runs=runs)["differences"][0]["gain"]["accuracy"] for a, b in zip(names, plain, strict=True)]
    deltas = [100 * one["delta"] for one in found]
    if len(found) == 1:
        low, high = (100 * end for end in found[0]["ci95"])
        return f"{deltas[0]:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"{statistics.mean(deltas):+.1f} ± {2 * statistics.stdev(deltas) / len(deltas) ** 0.5:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=int, nargs="*", default=[5, 20, 100])
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    parser.add_argument("--out", type=Path, default=Path("runs/shares"))
    asked = parser.parse_args()
    data = asked.out.resolve() / f"data-{asked.rows}"
    tables(data, asked.rows, asked.shares)
    print("| share | remedy | accuracy | gain | seconds |\n|--:|---|--:|--:|--:|")
    for share in asked.shares:
        plain: list[str] = []
        for remedy in asked.only:
            if share == 100 and remedy in UNLABELLED:
                continue
            made = {f"{share}-{remedy}-{seed}": recipe(data, remedy, share, asked.steps, seed) for seed in range(asked.seeds)}
            found = [scores(name, one, asked.out) for name, one in made.items()]
            plain = plain or list(made)
            cells = (
                f"{share}%", remedy, f"{100 * statistics.mean(one['tuned']['accuracy'] for one in found):.1f}",
                "" if remedy == PLAIN else gain(list(made), plain, asked.out),
                f"{statistics.mean(one['seconds']['train'] for one in found):.0f}",
            )  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
