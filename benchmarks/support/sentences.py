"""Positive and negative sentences of four domains, and runs that are read, or go on, where they are there already."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DOMAINS = ("tweets", "nyt", "amazon", "movies")


def tables(folder: Path, rows: int, judged: int | None = None) -> None:
    """A file of rows for each domain and split, as many of each label, and the same every time; of tests ``judged`` at most."""
    from tunesmith.data.source import read

    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        found = list(read(f"sample:sentiment_domains/{split}")[0])
        for domain in DOMAINS:
            own = [row for row in found if row["domain"] == domain and row["label"] != "neutral"]
            most = min(rows, judged or rows) if split == "test" else rows
            by_label = [[row for row in own if row["label"] == label][: most // 2] for label in ("negative", "positive")]
            kept = [{name: row[name] for name in ("text", "label")} for of_label in by_label for row in of_label]
            (folder / f"{domain}-{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")


def scores(name: str, recipe: dict[str, Any], runs: Path) -> dict[str, Any]:
    """Train, go on, or read what is there; no weights are left on the disk. Ends the program where that was made by another recipe."""
    import tunesmith

    folder = (runs / name).resolve()
    told, beside = json.dumps(recipe, sort_keys=True, default=str), runs / f"{name}.json"
    if folder.exists() and beside.exists() and beside.read_text(encoding="utf-8") != told:
        sys.exit(f"{folder} was made with other settings. Name another --out.")
    runs.mkdir(parents=True, exist_ok=True)
    beside.write_text(told, encoding="utf-8")
    if not folder.exists():
        tunesmith.train(recipe, run=name, runs=runs)
    elif not (folder / "scores.json").exists():
        tunesmith.resume(folder)
    for weights in folder.rglob("*.safetensors"):  # hundreds of megabytes a run, which no figure needs
        weights.unlink()
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return found
