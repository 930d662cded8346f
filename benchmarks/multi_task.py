"""One trunk for three tasks beside a model for each: topics, address tags and masked words.

    python benchmarks/multi_task.py [--rows 1000] [--rounds 3] [--cases ...]

Each task alone goes through its rows for ``ALONE`` epochs, and together for ``TOGETHER``: topics and masked words read the same texts, so
that one pass through the layers serves both; the addresses, which share nothing, weigh more. MiniLM, the same batches, rates and test
rows. The score is the mean over the tasks: accuracy of topics, F1 of address parts, accuracy of masked words; that of each follows.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from labelled import known_labels, rows, thinned
from turns import Result, contest

ALONE, TOGETHER, BATCH, RATE = 12, 11.6, 16, 2e-4
BESIDE_OTHERS: dict[str, dict[str, Any]] = {"words": {"same_pass_as": "topics"}, "addresses": {"weight": 1.5}}
METRICS = {"topics": "accuracy", "addresses": "f1", "words": "accuracy"}
JUDGED = 300
CASES: dict[str, dict[str, Any]] = {"topics, addresses and masked words": {"num_rows": 1000, "num_test": JUDGED}}


def tasks(num_rows: int, num_test: int) -> dict[str, Any]:
    """The three tasks: as many rows of each to learn from, and as many to judge by."""

    def data(sample: str) -> dict[str, Any]:
        train = thinned(rows(sample, "train"), num_rows)
        return {"train": train, "validation": None, "test": thinned(known_labels(train, rows(sample, "test")), num_test)}

    return {
        "topics": {"task": {"text_classification": {"max_length": 96}}, "data": data("topics")},
        "addresses": {"task": "token_classification", "data": data("addresses")},
        "words": {"task": {"masked_language_modelling": {"max_length": 96}}, "data": data("topics")},
    }


def trained(seed: int, epochs: float, **what: Any) -> dict[str, Any]:
    """The scores of one run."""
    import tunesmith

    with tempfile.TemporaryDirectory() as scratch:
        report = tunesmith.train(
            model="sample:minilm",
            strategies=["clip"],
            training={"epochs": epochs, "batch_size": BATCH, "learning_rate": RATE, "head_rate": 1e-3, "ship": "last"},
            baselines=False,
            seed=seed,
            runs=scratch,
            **what,
        )
    return dict(report.scores)


def summed(by_task: dict[str, dict[str, Any]], seconds: float) -> Result:
    reached = {name: float(scores["tuned"][METRICS[name]]) for name, scores in by_task.items()}
    return {"score": statistics.mean(reached.values()), "seconds": seconds, **reached}


def together(num_rows: int, num_test: int, seed: int) -> Result:
    """All three in one run."""
    told = {name: {**own, **BESIDE_OTHERS.get(name, {})} for name, own in tasks(num_rows, num_test).items()}
    found = trained(seed, TOGETHER, tasks=told)
    return summed(found["tasks"], found["seconds"]["train"])


def alone(num_rows: int, num_test: int, seed: int) -> Result:
    """A run for each, one after the other."""
    found = {name: trained(seed, ALONE, **told) for name, told in tasks(num_rows, num_test).items()}
    return summed(found, sum(scores["seconds"]["train"] for scores in found.values()))


if __name__ == "__main__":
    contest(__doc__ or "", {"together": together, "alone": alone}, CASES)
