"""SmolLM2-135M tuned on conversations with LoRA: short ones share rows of a batch, beside one in each row, padded.

    ASSETS=assets python benchmarks/packing.py [--rounds 3] [--rows N] [--cases ...]

Both learn the same conversations in the same batches of like length, and the score is the loss of held-out answers, which must be the
same but for rounding. ``ASSETS`` is a folder with ``data/<set>/{train,test}.jsonl``. Tokens are real ones: padding does not count.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from assets import here, table
from turns import Result, contest

CASES: dict[str, dict[str, Any]] = {
    "many languages, batches of 8": {"data": "chat_multilingual", "num_rows": 64, "batch_size": 8},
    "many languages, batches of 16": {"data": "chat_multilingual", "num_rows": 64, "batch_size": 16},
    "instructions, batches of 8": {"data": "sft_alpaca", "num_rows": 64, "batch_size": 8},
}


def tuned(data: str, num_rows: int, batch_size: int, seed: int, pack: bool | None, num_test: int = 8) -> Result:
    """One epoch over some conversations."""
    import tunesmith
    from tunesmith.core.json_lines import read_values

    with tempfile.TemporaryDirectory() as scratch:
        report = tunesmith.train(
            model="sample:smollm2",
            task={"chat": {"max_length": 512, "written": 0, "pack": pack}},
            data={"train": rows(data, "train", num_rows), "validation": None, "test": rows(data, "test", num_test)},
            strategies=["clip", {"lora": {"rank": 8, "alpha": 16.0}}],
            training={"epochs": 1, "learning_rate": 5e-4, "batch_size": batch_size, "warmup": "0st", "log_every": 1},
            baselines=False,
            seed=seed,
            runs=scratch,
        )
        steps = read_values(report.folder / "events.jsonl")
    padding = [step["padding"] for step in steps if "padding" in step]
    return {
        "score": report.scores["tuned"]["loss"],
        "seconds": report.scores["seconds"]["train"],
        "tokens_per_second": report.scores["tokens_per_second"],
        "padding": sum(padding) / max(1, len(padding)),
    }


def rows(data: str, split: str, most: int) -> list[dict[str, Any]]:
    """The first conversations of a set."""
    return [{"messages": row["messages"]} for row in table(data, split)[:most]]


if __name__ == "__main__" and here():
    contest(__doc__ or "", {"packed": partial(tuned, pack=None), "padded": partial(tuned, pack=False)}, CASES)
