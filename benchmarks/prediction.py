"""Labels of MiniLM for new texts: tunesmith beside Trainer.predict and the pipeline of transformers.

    python benchmarks/prediction.py [--rounds 3] [--rows N] [--cases ...]

All load the same saved classifier and label the same texts, tokenisation included; the score is accuracy, and ``digest`` tells whether the
labels are the same. The Trainer and the pipeline are at their defaults; "pipeline best" takes batches of 32 texts that are sorted by
length, and computes in bfloat16 where the processor has it. ``--rows`` is the number of texts. Needs ``accelerate``.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from turns import Result, contest, half

LENGTH = 256
KNOWN = 96  # texts that the head is fitted on
CASES: dict[str, dict[str, Any]] = {
    "descriptions": {"sample": "topics", "num_test": 1000},
    "sentences": {"sample": "sentiment", "num_test": 1000},
}

Labelling = Callable[[Path, list[dict[str, str]]], list[str]]


def contended(label: Labelling, sample: str, num_test: int, seed: int) -> Result:
    """What one contender takes to label texts, other ones with each seed."""
    from tunesmith.data.source import read

    parts = [
        [{name: str(row[name]) for name in ("text", "label")} for row in read(f"sample:{sample}/{part}")[0]] for part in ("train", "test")
    ]
    train, test = (random.Random(seed).sample(part, min(most, len(part))) for part, most in zip(parts, (KNOWN, num_test), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(train, Path(folder))
        begun = time.perf_counter()
        labels = label(Path(folder), test)
        seconds = time.perf_counter() - begun
    right = sum(guess == row["label"] for guess, row in zip(labels, test, strict=True))
    digest = f"{zlib.crc32(' '.join(labels).encode()):08x}"
    return {"score": right / len(test), "seconds": seconds, "texts_per_second": len(test) / seconds, "digest": digest}


def save_classifier(train: Sequence[dict[str, str]], folder: Path) -> None:
    """MiniLM with a head that is fitted by least squares on some texts, so that labels are no matter of rounding."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from tunesmith.samples.fetch import fetch

    names = sorted({row["label"] for row in train})
    tokenizer = AutoTokenizer.from_pretrained(str(fetch("minilm")))
    told = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    model = AutoModelForSequenceClassification.from_pretrained(str(fetch("minilm")), **told).eval()
    inputs = tokenizer([row["text"] for row in train], truncation=True, max_length=64, padding=True, return_tensors="pt")
    with torch.no_grad():
        vectors = model.bert(**inputs).pooler_output
        wanted = torch.nn.functional.one_hot(torch.tensor([names.index(row["label"]) for row in train])).float() * 10
        squares = vectors.T @ vectors + torch.eye(vectors.shape[1])
        model.classifier.weight.copy_(torch.linalg.solve(squares, vectors.T @ wanted).T)
        model.classifier.bias.zero_()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def by_tunesmith(folder: Path, test: list[dict[str, str]]) -> list[str]:
    import tunesmith

    return [str(one["label"]) for one in tunesmith.load(folder).predict([row["text"] for row in test])]


def by_trainer(folder: Path, test: list[dict[str, str]]) -> list[str]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer([row["text"] for row in test], truncation=True, max_length=LENGTH)["input_ids"]
    arguments = TrainingArguments(str(folder / "out"), report_to=[], disable_tqdm=True)
    trainer = Trainer(model, arguments, data_collator=DataCollatorWithPadding(tokenizer))
    guesses = trainer.predict([{"input_ids": one} for one in ids]).predictions.argmax(axis=1)
    return [model.config.id2label[int(guess)] for guess in guesses]


def by_pipeline(folder: Path, test: list[dict[str, str]], best: bool = False) -> list[str]:
    import torch
    from transformers import pipeline

    told: dict[str, Any] = {"dtype": torch.bfloat16 if half() else torch.float32, "batch_size": 32} if best else {}
    texts = [row["text"] for row in test]
    order = sorted(range(len(texts)), key=lambda place: -len(texts[place])) if best else list(range(len(texts)))
    found = pipeline("text-classification", str(folder), **told)([texts[place] for place in order], truncation=True, max_length=LENGTH)
    labels = [""] * len(texts)
    for place, one in zip(order, found, strict=True):
        labels[place] = one["label"]
    return labels


if __name__ == "__main__":
    labellings: dict[str, Labelling] = {
        "tunesmith": by_tunesmith,
        "trainer": by_trainer,
        "pipeline": by_pipeline,
        "pipeline best": partial(by_pipeline, best=True),
    }
    contest(__doc__ or "", {name: partial(contended, label) for name, label in labellings.items()}, CASES)
