"""Few labels: the strategy few_shot beside plain tuning and beside SetFit, on some rows of each label.

    [ASSETS=assets] python benchmarks/few_shot.py [--rounds 3] [--cases ...]

All start from the same model, MiniLM or for Chinese the small multilingual E5 of ``ASSETS``, and see the same rows, judged on the same
others; texts are cut at 64 tokens. Beside few_shot stand mean_pooling, so that the head reads what pairs teach, and last_layer, which
solves for it as SetFit does. Plain tuning takes its default rates and as many epochs. SetFit is the package with the 20 pairs of each
kind for each row of its paper; it is left out where it is not installed (``pip install '.[bench]' -c constraints.txt``).
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from assets import ASSETS
from labelled import rows as all_rows
from turns import Result, contest

NUM_TEST, MAX_LENGTH, RATE = 300, 64, 1e-4
CASES: dict[str, dict[str, Any]] = {
    "sentiment, 8 of each label": {"sample": "sentiment", "shots": 8, "epochs": 40},
    "chinese sentiment, 8 of each label": {"sample": "sentiment_zh", "shots": 8, "epochs": 40, "rate": 2e-5},
    "topics, 8 of each of 4 labels": {"sample": "topics", "labels": 4, "shots": 8, "epochs": 40},
    "topics, 8 of each of 20 labels": {"sample": "topics", "shots": 8, "epochs": 15, "rate": 3e-5},
    "sentiment, 64 of each label": {"sample": "sentiment", "shots": 64, "epochs": 12},
}


def by_tunesmith(seed: int, plain: bool, sample: str, shots: int, epochs: int, num_test: int = NUM_TEST, **case: Any) -> Result:
    """One run with few_shot and what stands beside it, or a plain one; the seconds are those of training."""
    import tunesmith

    train, test = rows(sample, case.get("labels"), shots, seed, num_test)
    rates = {} if plain else {"learning_rate": case.get("rate", RATE), "head_rate": 1e-3}
    with tempfile.TemporaryDirectory() as scratch:
        report = tunesmith.train(
            model=str(model(sample)),
            task={"text_classification": {"max_length": MAX_LENGTH}},
            data={"train": train, "validation": None, "test": test},
            strategies=[] if plain else ["clip", "mean_pooling", "few_shot", "last_layer"],
            training={"epochs": epochs, "batch_size": 16, "ship": "last"} | rates,
            baselines=False,
            seed=seed,
            runs=scratch,
        )
    return {"score": report.scores["tuned"]["accuracy"], "seconds": report.scores["seconds"]["train"]}


def by_setfit(seed: int, sample: str, shots: int, num_test: int = NUM_TEST, **case: Any) -> Result:
    """SetFit with the pairs of its paper, whatever else a case says."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    train, test = rows(sample, case.get("labels"), shots, seed, num_test)
    tuned = SetFitModel.from_pretrained(str(model(sample)), labels=sorted({row["label"] for row in train}))
    tuned.model_body.max_seq_length = MAX_LENGTH
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(scratch, seed=seed, num_epochs=1, num_iterations=20, show_progress_bar=False, report_to="none")
        trainer = Trainer(tuned, args=arguments, train_dataset=Dataset.from_list(train))
        begun = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begun
    guesses = tuned.predict([row["text"] for row in test])
    right = sum(str(guess) == row["label"] for guess, row in zip(guesses, test, strict=True))
    return {"score": right / len(test), "seconds": seconds}


def model(sample: str) -> Path:
    """The folder of the model for the language of a sample."""
    from tunesmith.samples.fetch import fetch

    return ASSETS / "models" / "multilingual-e5-small" if sample.endswith("_zh") else fetch("minilm")


def rows(sample: str, labels: int | None, shots: int, seed: int, num_test: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """So many rows of each label to learn from, others with each seed, and the same rows to judge by: text and label alone."""
    train, test = (
        [{key: str(row[key]) for key in ("text", "label")} for row in all_rows(sample, part, labels)] for part in ("train", "test")
    )
    random.Random(seed).shuffle(train)
    random.Random(0).shuffle(test)
    names = sorted({row["label"] for row in train})
    return [row for label in names for row in [row for row in train if row["label"] == label][:shots]], test[:num_test]


if __name__ == "__main__":
    contenders = {
        "few_shot": partial(by_tunesmith, plain=False),
        "plain": partial(by_tunesmith, plain=True),
        **({"setfit": by_setfit} if find_spec("setfit") else {}),
    }
    contest(__doc__ or "", contenders, CASES)
