"""What each strategy is worth, and what it costs: score, time, memory and learned weights of every one beside plain fine-tuning.

    python benchmarks/strategies.py [--minutes 20] [--settings topics-64 ...] [--only lora ...] [--table]

Runs that ``benchmarks/results/strategies.json`` does not hold yet are done, each in a process of its own, until the time is over; so the
table fills up. ``--table`` does no runs. Both write ``docs/measured.md``. Each strategy has its default settings, or those of its example
where it has no defaults; everything else is that of plain fine-tuning, but for the learning rate where a strategy asks for its own.
Seconds are of training alone; a setting's runs of one seed follow each other, so that ratios are of one hour.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from turns import apart, peak

RESULTS = Path(__file__).parent / "results" / "strategies.json"
PAGE = Path(__file__).parents[1] / "docs" / "measured.md"
PLAIN = "plain"
SEEDS = 3

# setting -> recipe, and how many of the test rows are judged
TOPICS = {"model": "minilm", "data": "topics", "task": {"text_classification": {"max_length": 96}}}
SETTINGS: dict[str, dict[str, Any]] = {
    "topics-64": {**TOPICS, "rows": 64, "judged": 400, "epochs": 12},
    "topics-1000": {**TOPICS, "rows": 1000, "judged": 688, "epochs": 3},
    "addresses-500": {"model": "minilm", "data": "addresses", "task": "token_classification", "rows": 500, "judged": 400, "epochs": 3},
}

# Strategies whose defaults say nothing on their own; what a file would have to be given for is left out.
OWN: dict[str, dict[str, Any]] = {
    "freeze": {"layers": 3},
    "dropout": {"rate": 0.2},
    "peft": {"kind": "IA3"},
}


def contenders() -> dict[str, Any]:
    """Every strategy by name, as a recipe writes it; those that cannot do without a file of the user's are left out."""
    from tunesmith.core.observer import Observer
    from tunesmith.recipes.find import find, names
    from tunesmith.recipes.validate import as_plain

    found: dict[str, Any] = {PLAIN: None}
    for name in names("strategies"):
        cls = find("strategies", name)
        if issubclass(cls, Observer):
            continue
        try:
            settings = OWN.get(name) or as_plain(cls(), changed_only=True)
        except Exception:  # it has settings without a default
            settings = as_plain(cls.example(), changed_only=True)
        if not any(isinstance(value, dict) or "IN MEMORY" in str(value).upper() for value in settings.values()):
            found[name] = {name: settings} if settings else name
    return found


def rows(sample: str, split: str, most: int) -> list[dict[str, Any]]:
    """Rows of a sample; every nth of them when there are more than ``most``."""
    from tunesmith.samples.fetch import fetch

    found = [json.loads(line) for line in (fetch(sample) / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
    return found[:: max(1, len(found) // most)][:most]


def one(name: str, setting: str, seed: int) -> dict[str, Any]:
    """One run: the score, what it cost, or why it was refused."""
    import tunesmith
    from tunesmith.core.errors import InputError, ResourceError

    told, strategy = SETTINGS[setting], contenders()[name]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            report = tunesmith.train(
                model=f"sample:{told['model']}",
                task=told["task"],
                data={"train": rows(told["data"], "train", told["rows"]), "test": rows(told["data"], "test", told["judged"])},
                strategies=[*([] if strategy is None else [strategy]), "clip"] if name != "clip" else ["clip"],
                training={"epochs": told["epochs"], "batch_size": 16, "trunk": "off"},
                baselines=False,
                seed=seed,
                runs=scratch,
            )
    except (InputError, ResourceError) as error:
        return {"refused": str(error).splitlines()[0]}
    scores, facts = report.scores, report.facts
    learned = sum(part["learning"] for part in facts.parameters) / sum(part["total"] for part in facts.parameters)
    primary = scores["primary"]
    return {
        "score": scores["tuned"][primary],
        "base": scores["base"].get(primary),
        "seconds": facts.seconds,
        "learned": learned,
        "peak_mb": peak(),
    }


def missing(done: dict[str, Any], settings: list[str], only: list[str]) -> Iterator[tuple[str, str, int]]:
    for seed in range(SEEDS):
        for setting in settings:
            yield from ((name, setting, seed) for name in only if f"{setting}/{name}/{seed}" not in done)


def written(done: dict[str, Any]) -> str:
    """The page: a table for each setting, the best first."""
    blocks = [
        "# Measured",
        "What `python benchmarks/strategies.py` has found so far: every strategy at its defaults, beside plain fine-tuning. Gains are "
        "in points over plain fine-tuning with the same seeds, with twice the standard error of the paired difference where there are "
        "three; time and memory are ratios to it. A strategy that does not help keeps its row. No settings were searched for.",
    ]
    for setting, told in SETTINGS.items():
        runs = {key.split("/")[1]: key for key in done if key.startswith(f"{setting}/") and "score" in done[key]}
        if PLAIN not in runs:
            continue
        table = sorted((row(done, setting, name) for name in runs), key=lambda cells: -float(cells[1]))
        head = ("strategy", "score", "gain", "time", "memory", "learned", "seeds")
        lines = [head, ("---",) * len(head), *table]
        blocks.append(f"## {told['rows']:,} rows of {told['data']}, {told['epochs']} epochs, {told['model']}")
        blocks.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
        refused = {
            key.split("/")[1]: value["refused"] for key, value in done.items() if key.startswith(f"{setting}/") and "refused" in value
        }
        if refused:
            blocks.append("Refused here: " + "; ".join(f"{name} ({why.rstrip('.')})" for name, why in sorted(refused.items())) + ".")
    return "\n\n".join(blocks) + "\n"


def row(done: dict[str, Any], setting: str, name: str) -> tuple[str, ...]:
    """The cells of one strategy, over the seeds that it and plain fine-tuning both have."""
    seeds = [seed for seed in range(SEEDS) if "score" in done.get(f"{setting}/{name}/{seed}", {}) and f"{setting}/{PLAIN}/{seed}" in done]
    mine, plain = ([done[f"{setting}/{of}/{seed}"] for seed in seeds] for of in (name, PLAIN))
    gains = [100 * (a["score"] - b["score"]) for a, b in zip(mine, plain, strict=True)]
    error = f" ± {2 * statistics.stdev(gains) / len(gains) ** 0.5:.1f}" if len(gains) > 2 and name != PLAIN else ""
    times, memory = (statistics.median(a[key] / b[key] for a, b in zip(mine, plain, strict=True)) for key in ("seconds", "peak_mb"))
    score = statistics.mean(run["score"] for run in mine)
    return (
        name, f"{score:.3f}", f"{statistics.mean(gains):+.1f}{error}", f"{times:.2f}", f"{memory:.2f}",
        f"{mine[0]['learned']:.1%}", str(len(seeds)),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], given.one[1], int(given.one[2]))))
        return
    done: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    end = time.monotonic() + 60 * given.minutes
    for name, setting, seed in [] if given.table else missing(done, given.settings, given.only or list(contenders())):
        if time.monotonic() > end:
            break
        done[f"{setting}/{name}/{seed}"] = found = apart(name, setting, seed)
        print(setting, name, seed, found, flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(dict(sorted(done.items())), indent=0) + "\n", encoding="utf-8")
    PAGE.write_text(written(done), encoding="utf-8")


if __name__ == "__main__":
    main()
