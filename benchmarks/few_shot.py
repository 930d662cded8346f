"""Few labels: the strategy few_shot beside plain tuning and beside SetFit, on some rows of each label.

    python benchmarks/few_shot.py [--rounds 3] [--cases ...]

All start from MiniLM and see the same rows, judged on the same others. Plain tuning takes its default rates and as many epochs. SetFit
is the package with the 20 pairs of each kind for each row of its paper; it is left out where it is not installed
(``pip install '.[bench]' -c constraints.txt``).
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from turns import Result, contest

NUM_TEST = 300
CASES: dict[str, dict[str, Any]] = {
    "sentiment, 8 of each label": {"sample": "sentiment", "shots": 8, "epochs": 40},
    "topics, 8 of each label": {"sample": "topics", "shots": 8, "epochs": 5},
    "sentiment, 64 of each label": {"sample": "sentiment", "shots": 64, "epochs": 5},
}


def by_tunesmith(sample: str, shots: int, epochs: int, seed: int, strategies: list[Any], num_test: int = NUM_TEST) -> Result:
    """One run; the seconds are those of training."""
    import tunesmith

    train, test = rows(sample, shots, seed, num_test)
    with tempfile.TemporaryDirectory() as scratch:
        report = tunesmith.train(
            model="sample:minilm",
            task={"text_classification": {"max_length": 128}},
            data={"train": train, "validation": None, "test": test},
            strategies=strategies,
            training={"epochs": epochs, "batch_size": 16, "ship": "last"}
            | ({"learning_rate": 1e-4, "head_rate": 1e-3} if strategies else {}),
            baselines=False,
            seed=seed,
            runs=scratch,
        )
    return {"score": report.scores["tuned"]["accuracy"], "seconds": report.scores["seconds"]["train"]}


def by_setfit(sample: str, shots: int, epochs: int, seed: int, num_test: int = NUM_TEST) -> Result:
    """SetFit with the pairs of its paper."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    from tunesmith.samples.fetch import fetch

    train, test = rows(sample, shots, seed, num_test)
    model = SetFitModel.from_pretrained(str(fetch("minilm")), labels=sorted({row["label"] for row in train}))
    model.model_body.max_seq_length = 128
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(scratch, seed=seed, num_epochs=1, num_iterations=20, show_progress_bar=False, report_to="none")
        trainer = Trainer(model, args=arguments, train_dataset=Dataset.from_list(train))
        begun = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begun
    guesses = model.predict([row["text"] for row in test])
    right = sum(str(guess) == row["label"] for guess, row in zip(guesses, test, strict=True))
    return {"score": right / len(test), "seconds": seconds}


def rows(sample: str, shots: int, seed: int, num_test: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """So many rows of each label to learn from, others with each seed, and the same rows to judge by: text and label alone."""
    import random

    from tunesmith.data.source import read

    def some(part: str) -> list[dict[str, str]]:
        return [{key: str(row[key]) for key in ("text", "label")} for row in read(f"sample:{sample}/{part}")[0]]

    train, test = some("train"), some("test")
    random.Random(seed).shuffle(train)
    random.Random(0).shuffle(test)
    labels = sorted({row["label"] for row in train})
    return [row for label in labels for row in [row for row in train if row["label"] == label][:shots]], test[:num_test]


if __name__ == "__main__":
    contenders = {
        "few_shot": partial(by_tunesmith, strategies=["clip", "few_shot"]),
        "plain": partial(by_tunesmith, strategies=[]),
        **({"setfit": by_setfit} if find_spec("setfit") else {}),
    }
    contest(__doc__ or "", contenders, CASES)
