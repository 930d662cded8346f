"""What the rules choose beside plain fine-tuning: `strategies: auto` on data of several sizes, tasks and languages.

    ASSETS=assets python benchmarks/advice.py [--rounds 3] [--cases ...]

Plain fine-tuning has its default rates and as many passes over the rows as ``auto`` takes where they are few, and three, the usual
number, where they are many. Seconds are those of the steps in units of matrix products, as in ``strategies.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from turns import Result, contest

from strategies import AUTO, one

MINILM = "sample:minilm"
WHOLE = {"text_classification": {"max_length": 96}}
CASES: dict[str, dict[str, Any]] = {
    "64 rows of 20 topics": {"model": MINILM, "data": "topics", "task": WHOLE, "num_rows": 64, "num_test": 400, "epochs": 20},
    "80 rows of 4 topics": {"model": MINILM, "data": "topics", "labels": 4, "task": WHOLE, "num_rows": 80, "num_test": 224, "epochs": 12},
    "1,000 rows of 20 topics": {"model": MINILM, "data": "topics", "task": WHOLE, "num_rows": 1000, "num_test": 688},
    "4,000 sentences of reviews": {"model": MINILM, "data": "sentiment", "task": WHOLE, "num_rows": 4000, "num_test": 1300},
    "1,000 Chinese reviews": {"model": "multilingual-e5-small", "data": "sentiment_zh", "task": WHOLE, "num_rows": 1000, "num_test": 500},
    "500 addresses": {
        "model": MINILM, "data": "addresses", "task": "token_classification", "num_rows": 500, "num_test": 400, "epochs": 10,
    },
}  # fmt: skip


def by_tunesmith(strategy: str | None, num_rows: int, num_test: int, seed: int, epochs: int = 3, **told: Any) -> Result:
    """One run, and what it refuses as an error."""
    found = one(strategy, {**told, "rows": num_rows, "judged": num_test, "epochs": epochs, "batch_size": 16}, seed)
    if "refused" in found:
        sys.exit(found["refused"])
    return {"score": found["score"], "seconds": found["effort"], "learned": found["learned"]}


def plain(**told: Any) -> Result:
    """Everything learns, at one rate."""
    return by_tunesmith(None, **told)


def auto(**told: Any) -> Result:
    """What the rules choose: strategies, rates and length."""
    return by_tunesmith(AUTO, **told)


if __name__ == "__main__":
    contest(__doc__ or "", {"plain": plain, "auto": auto}, CASES)
