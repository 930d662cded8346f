"""What each strategy is worth, and what it costs: score, time, memory and learned weights of every one beside plain fine-tuning.

    [ASSETS=assets] python benchmarks/strategies.py [--minutes 20] [--settings topics-80 ...] [--only lora ...] [--seeds 3]

Runs that ``benchmarks/results/strategies.json`` does not hold yet are done until the time is over, so that the table fills up;
``make docs`` writes ``docs/measured.md``, its pictures and the rows on the pages of the strategies from it. Each run is a process of
its own, which begins where the imports are done. Each strategy has its default settings, or those of its example where it has no
defaults; everything else is that of plain fine-tuning, but for the learning rate where a strategy asks for its own, and for what
decides by evaluations: a tenth of its rows is held out for them, four times in an epoch. ``auto`` stands for what the rules choose:
strategies, rate and length. Time is that of the steps, in units of matrix products that are timed between
them. ``ASSETS`` is needed where the model is no sample.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from assets import ASSETS
from labelled import known_labels, rows, thinned
from turns import forked, half, peak

RESULTS = Path(__file__).parent / "results" / "strategies.json"
PLAIN, AUTO = "plain", "auto"
PRODUCTS = 5  # that are timed after each step
OFTEN = {"evaluate_every": "0.25ep", "save_every": "1ep"}  # what the pages of the strategies that decide by evaluations ask for

# setting -> recipe, and how many of the test rows are judged
TOPICS = {"model": "sample:minilm", "data": "topics", "task": {"text_classification": {"max_length": 32}}, "batch_size": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "topics-80": {
        "model": "sample:minilm", "data": "topics", "labels": 4, "task": {"text_classification": {"max_length": 32}},
        "rows": 80, "judged": 224, "epochs": 6, "batch_size": 8,
    },
    "topics-64": {**TOPICS, "rows": 64, "judged": 400, "epochs": 12},
    "topics-1000": {**TOPICS, "rows": 1000, "judged": 688, "epochs": 2},
    "sentiment_zh-1000": {
        "model": "multilingual-e5-small", "data": "sentiment_zh", "task": {"text_classification": {"max_length": 32}},
        "rows": 1000, "judged": 400, "epochs": 1, "batch_size": 16,
    },
    "addresses-500": {
        "model": "sample:minilm", "data": "addresses", "task": "token_classification",
        "rows": 500, "judged": 400, "epochs": 3, "batch_size": 16,
    },
    "summaries-120": {
        "model": "sample:smollm2", "data": "summaries",
        "task": {"sequence_to_sequence": {"kind": "summary", "max_source_length": 96, "max_target_length": 24}},
        "rows": 120, "judged": 24, "epochs": 1, "batch_size": 8,
    },
}  # fmt: skip

# Strategies whose defaults say nothing on their own; what a file would have to be given for is left out.
OWN: dict[str, dict[str, Any]] = {
    "freeze": {"layers": 3},
    "dropout": {"rate": 0.2},
    "peft": {"kind": "ia3"},
}


def contenders() -> dict[str, Any]:
    """What a recipe says of each strategy, after plain fine-tuning and what the rules choose; those that need a file are left out."""
    from tunesmith.core.observer import Observer
    from tunesmith.recipes.find import find, names
    from tunesmith.recipes.validate import as_plain

    found: dict[str, Any] = {PLAIN: None, AUTO: AUTO}
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


def one(strategy: Any, told: dict[str, Any], seed: int) -> dict[str, Any]:
    """One run of a setting: the score, what it cost, or why it was refused."""
    import tunesmith
    from tunesmith.core.errors import DivergedError, InputError, ResourceError
    from tunesmith.core.json_lines import read_values

    around = [] if strategy in (None, "clip") else [strategy]
    length = {"epochs": told["epochs"], "batch_size": told["batch_size"]}  # which the rules choose, too
    pace = between_the_steps()
    train, test = (rows(told["data"], split, told.get("labels")) for split in ("train", "test"))
    train = thinned(train, told["rows"])
    deciding = by_evaluations(strategy)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            report = tunesmith.train(
                model=told["model"] if told["model"].startswith("sample:") else str(ASSETS / "models" / told["model"]),
                task=told["task"],
                data={
                    "train": train,
                    "validation": "10%" if deciding else None,
                    "test": thinned(known_labels(train, test), told["judged"]),
                },
                strategies=AUTO if strategy == AUTO else [*around, "clip"],
                training={} if strategy == AUTO else {**length, "trunk": "off", "ship": "last", **(OFTEN if deciding else {})},
                baselines=False,
                seed=seed,
                runs=scratch,
                watch=[pace],
            )
            judged = read_values(report.folder / "predictions" / f"{report.scores['split']}.jsonl")
            correct = [row.get("correct") for row in judged]
    except (InputError, ResourceError, DivergedError) as error:
        return {"refused": str(error).splitlines()[0]}
    scores, facts = report.scores, report.facts
    primary = scores["primary"]
    return {
        "metric": primary,
        "score": scores["tuned"][primary],
        "base": scores["base"].get(primary),
        "seconds": facts.seconds,
        "effort": pace.effort,
        "learned": sum(part["learning"] for part in facts.parameters) / sum(part["total"] for part in facts.parameters),
        "peak_mb": peak(),
        **({"right": "".join("01"[int(row)] for row in correct)} if set(correct) <= {0, 1} else {}),
    }


def by_evaluations(strategy: Any) -> bool:
    """Whether what a recipe says of a strategy decides by evaluations, so that there must be rows for them."""
    from tunesmith.recipes.find import find

    name = next(iter(strategy)) if isinstance(strategy, dict) else strategy
    return name not in (None, AUTO) and find("strategies", name).by_evaluations


def between_the_steps() -> Any:
    """An observer that measures steps by the time of the same matrix products between them: other programs slow both down.

    ``effort`` is the processor time of all steps but the first, which sets things up, divided by that of one product.
    """
    import torch

    from tunesmith.core.observer import Observer

    @dataclasses.dataclass
    class Pace(Observer):
        def begin(self, run: Any) -> None:
            kind = torch.bfloat16 if half() else torch.float32
            self._left, self._right = torch.ones(256, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
            self._steps, self._products = [], []
            self._since = time.process_time()

        def step(self, run: Any, record: Any) -> None:
            self._steps.append(time.process_time() - self._since)
            begun = time.process_time()
            for _ in range(PRODUCTS):
                self._left @ self._right
            self._since = time.process_time()
            self._products.append((self._since - begun) / PRODUCTS)

        @property
        def effort(self) -> float:
            return sum(self._steps[1:]) * len(self._products[1:]) / sum(self._products[1:])

    return Pace()


def missing(done: dict[str, Any], settings: list[str], names: list[str], seeds: int) -> Iterator[tuple[str, str, int]]:
    """The runs that are not done: plain fine-tuning first, seed by seed."""
    for seed in range(seeds):
        for setting in settings:
            yield from ((name, setting, seed) for name in names if f"{setting}/{name}/{seed}" not in done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    import peft  # noqa: F401  # what every run would import anew
    import sklearn  # noqa: F401
    import transformers.models.bert.modeling_bert  # noqa: F401

    import tunesmith.run  # noqa: F401

    known = contenders()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"runs": {}}
    end = time.monotonic() + 60 * given.minutes
    for name, setting, seed in missing(results["runs"], given.settings, given.only or list(known), given.seeds):
        if time.monotonic() > end:
            break
        found = forked(lambda: one(known[name], SETTINGS[setting], seed))  # noqa: B023  # called before the loop goes on
        print(setting, name, seed, found, flush=True)
        results["runs"][f"{setting}/{name}/{seed}"] = found
        results |= {"settings": SETTINGS, "date": f"{datetime.date.today():%d %B %Y}", "threads": os.environ.get("OMP_NUM_THREADS", "all")}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**results, "runs": dict(sorted(results["runs"].items()))}, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
