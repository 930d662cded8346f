"""Frozen layers: tunesmith with its trunk cache and without, beside transformers.Trainer at its best settings.

    python benchmarks/frozen.py [--rounds 3] [--cases ...]

The same rows, batches, rates and steps for all; the lowest layers and the embeddings are frozen. The trunk cache starts empty in each
run, but in the last case: twenty trials of a search over the learning rate share what the first one kept.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from texts import by_trainer, by_tunesmith
from turns import Result, contest

RATES = [1e-4, 2e-4, 5e-4, 1e-3]


def trials_of(run: Callable[..., Result], trials: int, case: dict[str, Any]) -> Result:
    """One run, or the trials of a search over the rate: the best score, and the time of all."""
    rates = [case["rate"]] if trials == 1 else [RATES[trial % len(RATES)] for trial in range(trials)]
    runs = [run(**case | {"seed": case["seed"] + trial, "rate": rate}) for trial, rate in enumerate(rates)]
    return {"score": max(one["score"] for one in runs), "seconds": sum(one["seconds"] for one in runs)}


def tunesmith(trials: int = 1, trunk: str = "auto", **case: Any) -> Result:
    """With a trunk cache that is empty at first."""
    from tunesmith.samples.fetch import fetch

    samples = [fetch(name) for name in ("minilm", "topics")]
    with tempfile.TemporaryDirectory() as cache:
        (Path(cache) / "samples").symlink_to(samples[0].parent)
        os.environ["TUNESMITH_CACHE"] = cache
        return trials_of(partial(by_tunesmith, trunk=trunk), trials, case)


def trainer(trials: int = 1, **case: Any) -> Result:
    """transformers.Trainer at its best settings."""
    return trials_of(partial(by_trainer, best=True), trials, case)


CASES: dict[str, dict[str, Any]] = {
    "4 of 6 layers, 5 epochs": {"num_rows": 500, "epochs": 5, "batch_size": 16, "rate": 1e-4, "frozen": 4},
    "5 of 6 layers, 10 epochs": {"num_rows": 500, "epochs": 10, "batch_size": 16, "rate": 2e-4, "frozen": 5},
    "linear probe, 10 epochs": {"num_rows": 500, "epochs": 10, "batch_size": 16, "rate": 1e-3, "frozen": 6},
    "3 of 6 layers, 1 epoch": {"num_rows": 500, "epochs": 1, "batch_size": 16, "rate": 1e-4, "frozen": 3},
    "20 trials, 5 of 6 layers": {"num_rows": 500, "epochs": 2, "batch_size": 16, "rate": 1e-4, "frozen": 5, "trials": 20},
}

if __name__ == "__main__":
    contenders = {"tunesmith": tunesmith, "without cache": partial(tunesmith, trunk="off"), "trainer best": trainer}
    contest(__doc__ or "", contenders, CASES)
