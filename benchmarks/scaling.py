"""How time and memory grow with the number of rows, with their length, with the layers that learn, and with the number of processes.

    python benchmarks/scaling.py [--cases rows lengths layers ranks] [--most 1000000]

MiniLM on package descriptions, which are repeated with a number behind each to make as many rows as are wanted. Every run takes the
same number of steps, so that what else differs is reading, splitting and encoding. One process at a time, each new.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from texts import rows
from turns import peak

STEPS, BATCH = 20, 8
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SHORT = 16  # tokens of a text, about, where rows are many
DIFFERENT = 10_000  # texts of such a length, which are then repeated
LENGTHS = (16, 32, 64, 128, 256, 512)
LAYERS = (0, 2, 4, 6)
RANKS = (1, 2)


def cases(most: int) -> dict[str, list[dict[str, Any]]]:
    """What each run of a case differs in."""
    return {
        "rows": [{"num_rows": size, "length": SHORT} for size in SIZES if size <= most],
        "lengths": [{"length": length} for length in LENGTHS],
        "layers": [{"frozen": layers, "trunk": "off"} for layers in LAYERS],
        "ranks": [{"ranks": ranks} for ranks in RANKS],
    }


def texts(num_rows: int, length: int | None) -> Iterator[dict[str, Any]]:
    """Descriptions again and again; of about ``length`` tokens each where that is said."""
    found = rows("train")
    words = " ".join(row["text"] for row in found).split()
    for number in range(num_rows):
        row = found[number % len(found)]
        start = number % DIFFERENT * 50 % (len(words) - 600)
        text = row["text"] if length is None else " ".join(words[start : start + length])
        yield {"text": f"{text} {number}", "label": row["label"]}


def run(
    scratch: str, num_rows: int = 1000, length: int | None = None, frozen: int = 0, trunk: str = "auto", ranks: int = 1
) -> dict[str, Any]:
    """One run in this process, one of ``ranks``, on the file in ``scratch``; the first tells what it took."""
    import tunesmith

    begun = time.perf_counter()
    report = tunesmith.train(
        model="sample:minilm",
        task={"text_classification": {"max_length": length or 256}},
        data={"train": f"{scratch}/train.jsonl", "validation": None, "test": rows("test", 50)},
        strategies=[{"freeze": {"layers": frozen}}] if frozen else [],
        training={"steps": STEPS, "batch_size": BATCH, "trunk": trunk, "micro_batch": BATCH // ranks},
        baselines=False,
        runs=f"{scratch}/runs",
    )
    whole, training = time.perf_counter() - begun, report.scores["seconds"]["train"]
    return {
        "microseconds a row beside training": (whole - training) / num_rows * 1e6,
        "training tokens/s": report.scores["tokens_per_second"],
        "peak MB": peak(),
    }


def apart(told: dict[str, Any]) -> dict[str, Any]:
    """One run in a new process, or in several."""
    ranks = told.get("ranks", 1)
    start = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    with tempfile.TemporaryDirectory() as scratch:
        with (Path(scratch) / "train.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in texts(told.get("num_rows", 1000), told.get("length")))
        command = [sys.executable, *start, sys.argv[0], "--one", json.dumps(told | {"scratch": scratch})]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{told} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"micro'))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=["rows", "lengths", "layers", "ranks"])
    parser.add_argument("--most", type=int, default=SIZES[-1], help="rows of the largest file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(**json.loads(given.one))))
        return
    for case in given.cases:
        print(f"\n{case}")
        for told in cases(given.most)[case]:
            found = apart(told)
            about = ", ".join(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in told.items())
            print(f"  {about:24} " + "  ".join(f"{name} {value:,.0f}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
