"""Lifelong learning: stages one after the other, without a remedy and with each.

    python benchmarks/lifelong.py [--case topics] [--rows 1000] [--epochs 1] [--seeds 3] [--out runs/lifelong] [--only plain replay ...]

``topics`` are five stages of four topics each: a stage sees no row of the others, so that without a remedy nearly all is forgotten.
``domains`` are positive or negative tweets, editorials, product and film reviews, where little is. So many rows of each stage to learn
from, and half as many, or 100, to judge by. The memory is a twentieth of all rows. A run that was interrupted goes on where it stood;
finished ones are read. Prints a row of markdown for each, with means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from sentences import DOMAINS, scores, tables

SHARE = 0.05  # of all rows that the memory holds
TRAINING = {"batch_size": 16, "learning_rate": 1e-4, "head_rate": 1e-3, "ship": "last"}
JUDGED = 100  # rows of a stage, at most
MEASURES = ("average", "forgetting", "backward_transfer", "forward_transfer")


def remedies(memory: int) -> dict[str, dict[str, Any]]:
    """What a recipe says of each, by name, with a memory of so many rows."""
    replay = {"share": 1.0, "of": "label", "num_rows": memory, "choose": "balanced"}
    return {
        "plain": {},
        "replay": {"strategies": [{"replay": replay}]},
        "ewc": {"strategies": ["ewc"]},
        "si": {"strategies": ["si"]},
        "lwf": {"strategies": ["lwf"]},
        "gem": {"strategies": [{"gem": {"memory_rows": memory}}]},
        "adapters": {"strategies": ["lora"], "routing": {"prototypes": 4}, "training": TRAINING | {"learning_rate": 1e-3}},
    }


def topics(folder: Path, rows: int) -> list[str]:
    """Write the rows of each stage: four topics, in the order of their names, as many rows of each. Returns the names of the stages."""
    from tunesmith.data.source import read

    folder.mkdir(parents=True, exist_ok=True)
    for split, most in (("train", rows // 4), ("test", min(JUDGED, rows // 2) // 4)):
        found = list(read(f"sample:topics/{split}")[0])
        labels = sorted({str(row["label"]) for row in found})
        for stage in range(5):
            own = [[row for row in found if row["label"] == label][:most] for label in labels[4 * stage : 4 * stage + 4]]
            kept = [{name: row[name] for name in ("text", "label")} for of_label in own for row in of_label]
            (folder / f"topics{stage}-{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    return [f"topics{stage}" for stage in range(5)]


def domains(folder: Path, rows: int) -> list[str]:
    """Write the rows of each domain."""
    tables(folder, rows, JUDGED)
    return list(DOMAINS)


def recipe(folder: Path, stages: list[str], epochs: int, remedy: dict[str, Any], seed: int) -> dict[str, Any]:
    """The same for every remedy, but for what it says itself; a stage takes so many epochs."""
    from tunesmith.core.json_lines import read_values

    data = [{"train": str(folder / f"{stage}-train.jsonl"), "test": str(folder / f"{stage}-test.jsonl")} for stage in stages]
    labels = sorted({row["label"] for of in data for row in read_values(Path(of["train"]))})
    return {
        "model": "sample:minilm",
        "task": {"text_classification": {"max_length": 48, "labels": labels}},
        "data": {"validation": None},
        **remedy,
        "training": {"epochs": epochs} | remedy.get("training", TRAINING),
        "baselines": False,
        "seed": seed,
        "sequence": [{"name": stage, "data": of} for stage, of in zip(stages, data, strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=("topics", "domains"), default="topics")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/lifelong"))
    parser.add_argument("--only", nargs="*", default=list(remedies(1)), choices=list(remedies(1)))
    asked = parser.parse_args()
    stages = {"topics": topics, "domains": domains}[asked.case](asked.out / f"data-{asked.rows}", asked.rows)
    known = remedies(round(SHARE * asked.rows * len(stages)))
    print(f"| {' | '.join(('remedy', *(measure.replace('_', ' ') for measure in MEASURES), 'seconds'))} |")
    print(f"|---|{'--:|' * (len(MEASURES) + 1)}")
    for name in asked.only:
        data = asked.out.resolve() / f"data-{asked.rows}"
        made = {f"{asked.case}-{name}-{seed}": recipe(data, stages, asked.epochs, known[name], seed) for seed in range(asked.seeds)}
        runs = [scores(run, one, asked.out) for run, one in made.items()]
        means = [statistics.mean(run["sequence"][measure] for run in runs) for measure in MEASURES]
        seconds = statistics.mean(sum(stage["seconds"]["train"] for stage in run["stages"]) for run in runs)
        print(f"| {' | '.join((name, *(f'{100 * mean:.1f}' for mean in means), f'{seconds:.0f}'))} |", flush=True)


if __name__ == "__main__":
    main()
