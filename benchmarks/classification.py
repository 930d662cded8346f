"""Full fine-tuning of MiniLM on package descriptions (20 topics): tunesmith beside transformers.Trainer at its defaults.

    python benchmarks/classification.py [--rows 2000] [--seeds 3] [--batch-size 8]

Both train the same rows for one epoch, with equal batch size (the Trainer's default), learning rate, schedule, weight decay and
gradient clipping, hence equally many optimizer steps; both are judged on the same test rows. They run in turns, each in a process
of its own. Tokens are real ones: padding does not count. Needs ``accelerate``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LENGTH, RATE = 256, 5e-5
CONTENDERS = ("tunesmith", "trainer")


def rows(split: str, most: int | None = None) -> list[dict[str, Any]]:
    """Rows of the sample; every nth of them when there are more than ``most``."""
    from tunesmith.samples.fetch import fetch

    found = [json.loads(line) for line in (fetch("topics") / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
    return found[:: max(1, len(found) // most)][:most] if most else found


def tunesmith(train: list[dict[str, Any]], test: list[dict[str, Any]], seed: int, batch_size: int) -> tuple[float, float, float]:
    import tunesmith as package

    with tempfile.TemporaryDirectory() as folder:
        report = package.train(
            model="sample:minilm",
            task={"text_classification": {"max_length": LENGTH}},
            data={"train": train, "validation": None, "test": test},
            strategies=["clip"],
            training={"epochs": 1, "learning_rate": RATE, "batch_size": batch_size, "warmup": "0st"},
            baselines=False,
            seed=seed,
            runs=folder,
        )
        scores = report.scores
    return scores["tuned"]["accuracy"], scores["seconds"]["train"], scores["tokens_per_second"]


def trainer(train: list[dict[str, Any]], test: list[dict[str, Any]], seed: int, batch_size: int) -> tuple[float, float, float]:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from tunesmith.samples.fetch import fetch

    set_seed(seed)
    folder = str(fetch("minilm"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    labels = sorted({row["label"] for row in train})

    def encoded(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ids = tokenizer([row["text"] for row in data], truncation=True, max_length=LENGTH)["input_ids"]
        return [{"input_ids": one, "labels": labels.index(row["label"])} for one, row in zip(ids, data, strict=True)]

    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels))
    learned, judged = encoded(train), encoded(test)
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            out, num_train_epochs=1, per_device_train_batch_size=batch_size, learning_rate=RATE, weight_decay=0.01, seed=seed,
            save_strategy="no", report_to=[], disable_tqdm=True,
        )  # fmt: skip
        run = Trainer(model, arguments, data_collator=DataCollatorWithPadding(tokenizer), train_dataset=learned)
        begun = time.perf_counter()
        run.train()
        seconds = time.perf_counter() - begun
        guesses = run.predict(judged).predictions.argmax(axis=1)
    accuracy = sum(int(guess) == row["labels"] for guess, row in zip(guesses, judged, strict=True)) / len(judged)
    return accuracy, seconds, sum(len(row["input_ids"]) for row in learned) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        contender = {"tunesmith": tunesmith, "trainer": trainer}[given.one]
        print(json.dumps(contender(rows("train", given.rows), rows("test"), given.seed, given.batch_size)))
        return
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in CONTENDERS}
    for seed in range(given.seeds):
        for name in CONTENDERS if seed % 2 == 0 else CONTENDERS[::-1]:
            settings = ["--rows", str(given.rows), "--batch-size", str(given.batch_size), "--seed", str(seed)]
            done = subprocess.run([sys.executable, __file__, "--one", name, *settings], capture_output=True, text=True, check=True)
            results[name].append(tuple(json.loads(done.stdout.splitlines()[-1])))
            accuracy, seconds, speed = results[name][-1]
            print(f"seed {seed}  {name:9}  accuracy {accuracy:.4f}  {seconds:6.1f} s  {speed:6,.0f} tokens/s", flush=True)
    ratios = [ours[2] / theirs[2] for ours, theirs in zip(*results.values(), strict=True)]
    for name, found in results.items():
        accuracy, speed = statistics.mean(one[0] for one in found), statistics.median(one[2] for one in found)
        print(f"{name:9}  mean accuracy {accuracy:.4f}  median {speed:,.0f} tokens/s")
    print(f"tokens/s, tunesmith over Trainer: median {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
