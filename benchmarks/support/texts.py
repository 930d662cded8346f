"""Package descriptions in 20 topics, trained by tunesmith and by transformers.Trainer with equal settings."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from typing import Any

from turns import Result, half

LENGTH = 256


def rows(split: str, most: int | None = None) -> list[dict[str, Any]]:
    """Rows of the sample; every nth of them when there are more than ``most``."""
    from tunesmith.core.json_lines import read_values
    from tunesmith.samples.fetch import fetch

    found = read_values(fetch("topics") / f"{split}.jsonl")
    return found[:: max(1, len(found) // most)][:most] if most else found


@dataclass(frozen=True)
class Case:
    """What all contenders train alike: the lowest ``frozen`` layers do not learn; ``num_test`` rows judge, all of them for None."""

    num_rows: int
    epochs: int
    batch_size: int
    rate: float
    frozen: int
    num_test: int | None = None


def both(case: Case) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows to learn from and to judge by; few of them may not know every label, and those that are not known are not judged."""
    train = rows("train", case.num_rows)
    known = {row["label"] for row in train}
    return train, [row for row in rows("test", case.num_test) if row["label"] in known]


def by_tunesmith(seed: int, trunk: str = "auto", **told: Any) -> Result:
    """A ``Case`` by tunesmith."""
    import tunesmith

    case = Case(**told)
    train, test = both(case)
    with tempfile.TemporaryDirectory() as scratch:
        report = tunesmith.train(
            model="sample:minilm",
            task={"text_classification": {"max_length": LENGTH}},
            data={"train": train, "validation": None, "test": test},
            strategies=["clip", *([{"freeze": {"layers": case.frozen}}] if case.frozen else [])],
            training={"epochs": case.epochs, "learning_rate": case.rate, "batch_size": case.batch_size, "warmup": "0st", "trunk": trunk},
            baselines=False,
            seed=seed,
            runs=scratch,
        )
        scores = report.scores
    return {"score": scores["tuned"]["accuracy"], "seconds": scores["seconds"]["train"], "tokens_per_second": scores["tokens_per_second"]}


def by_trainer(seed: int, best: bool = False, **told: Any) -> Result:
    """The same by transformers.Trainer: at its defaults, or in bfloat16 (where the processor has it) with batches grouped by length."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from tunesmith.samples.fetch import fetch

    case = Case(**told)
    set_seed(seed)
    model_folder = str(fetch("minilm"))
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    train, test = both(case)
    labels = sorted({row["label"] for row in train})

    def encoded(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ids = tokenizer([row["text"] for row in data], truncation=True, max_length=LENGTH)["input_ids"]
        return [{"input_ids": one, "labels": labels.index(row["label"])} for one, row in zip(ids, data, strict=True)]

    model = AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=len(labels))
    if case.frozen:
        for part in (model.bert.embeddings, *model.bert.encoder.layer[: case.frozen]):
            part.requires_grad_(False)
    learned, judged = encoded(train), encoded(test)
    faster: dict[str, Any] = {"bf16": half(), "use_cpu": True, "train_sampling_strategy": "group_by_length"} if best else {}
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            out, num_train_epochs=case.epochs, per_device_train_batch_size=case.batch_size, learning_rate=case.rate,
            weight_decay=0.01, seed=seed, save_strategy="no", report_to=[], disable_tqdm=True, **faster,
        )  # fmt: skip
        run = Trainer(model, arguments, data_collator=DataCollatorWithPadding(tokenizer), train_dataset=learned)
        begun = time.perf_counter()
        run.train()
        seconds = time.perf_counter() - begun
        found = run.predict(judged)  # grouped by length it does not keep the order of the rows
    accuracy = float((found.predictions.argmax(axis=1) == found.label_ids).mean())
    tokens = case.epochs * sum(len(row["input_ids"]) for row in learned)
    return {"score": accuracy, "seconds": seconds, "tokens_per_second": tokens / seconds}
