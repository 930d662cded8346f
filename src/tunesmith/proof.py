"""The proof: the base model, the tuned model and simple baselines, judged on the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.label_task import LabelTask
from tunesmith.core.run import seed_of
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.data.encode import encode
from tunesmith.data.load import Data, Examples
from tunesmith.engine.loop import Fitted
from tunesmith.engine.precision import autocast, choose, device
from tunesmith.engine.state import forward_of
from tunesmith.evaluate import baselines
from tunesmith.evaluate.compare import Judged, compare
from tunesmith.evaluate.score import predict
from tunesmith.model.build import build
from tunesmith.model.embed import embed
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.report.folder import write_text


@dataclass(frozen=True)
class Proof:
    """What was judged, on which rows, and the content of ``scores.json``."""

    task: Task
    split: str
    truths: list[Row] = field(repr=False)
    predictions: list[Prediction] = field(repr=False)
    correct: list[float] = field(repr=False)
    scores: dict[str, Any] = field(repr=False)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each judged row with its prediction, in the order of the data."""
        for number, (truth, prediction, correct) in enumerate(zip(self.truths, self.predictions, self.correct, strict=True)):
            yield {"row": number, **self.task.shown(truth, prediction), "correct": correct}

    def write(self, folder: Path) -> None:
        """``predictions/SPLIT.jsonl``: a line a row."""
        (folder / "predictions").mkdir(exist_ok=True)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows())
        write_text(folder / "predictions" / f"{self.split}.jsonl", "".join(lines))

    def examples(self) -> list[dict[str, Any]]:
        """A few predictions as they come."""
        return [row for _, row in zip(range(3), self.rows(), strict=False)]

    def errors(self, most: int) -> list[dict[str, Any]]:
        """Wrong predictions, the most confident first."""
        best = max(self.correct, default=1.0)
        wrong = [row for row in self.rows() if row["correct"] < min(best, 1.0)]
        return sorted(wrong, key=lambda row: (row["correct"], -row.get("confidence", 0.0)))[:most]


def prove(recipe: Recipe, fitted: Fitted, data: Data, time: tuple[float, float]) -> Proof:
    """Judge the tuned model, its base and simple baselines on the test rows; on the validation rows where there are no test rows.

    ``time`` is the seconds of training and the tokens per second, which ``scores.json`` holds too.
    """
    task, model = recipe.task, fitted.model
    splits = data.splits()
    split = next(name for name in ("test", "validation", "train") if name in splits)
    examples = splits[split]
    truths = list(examples)
    judge = partial(judged, task, truths)
    fitted.run.model.eval()
    predictions = predict(fitted.run.forward, encode(examples, task, model.tokenizer), task, model.tokenizer)
    tuned = judge(predictions)
    others = Contestants(recipe, examples, truths)
    how, found = others.base()
    simple = {name: judge(guesses) for name, guesses in others.simple(data.train)} if recipe.baselines else {}
    scores = compare(name_of(task), task, split, judge(found), tuned, simple)
    scores |= {"base_is": how, "seconds": {"train": time[0]}, "tokens_per_second": time[1]}
    return Proof(task, split, truths, predictions, list(tuned.correct), scores)


def judged(task: Task, truths: list[Row], predictions: list[Prediction]) -> Judged:
    """Predictions and what they are worth."""

    def over(rows: np.ndarray) -> float:
        return float(task.metrics([predictions[row] for row in rows], [truths[row] for row in rows])[task.primary])

    return Judged(task.metrics(predictions, truths), task.correct(predictions, truths), over)


class Contestants:
    """What the tuned model is compared with: its base as it can be used untuned, and simple models."""

    def __init__(self, recipe: Recipe, examples: Examples, truths: list[Row]) -> None:
        self.task, self.examples, self.truths = recipe.task, examples, truths
        torch.manual_seed(seed_of(recipe.seed, "head"))
        self.model = build(recipe.model_spec, recipe.task.head())
        self.model.module.to(device()).eval()
        self.dtype = choose(recipe.training.precision, device())

    def base(self) -> tuple[str, list[Prediction]]:
        """How the base was used, and its predictions: as it is where it has the head; by the names of the labels; else by chance."""
        task = self.task
        if isinstance(task, LabelTask) and self.model.fresh:
            if task.kind == "single" and not all(label.isdecimal() for label in task.labels):
                table = baselines.nearest_label(self.vectors(task.texts(self.truths)), self.vectors(task.labels))
                return "zero-shot by label names", task.predictions(torch.from_numpy(table))
            return "chance", task.predictions(chance(len(self.truths), task))
        forward = forward_of(self.model.module, device(), self.dtype)
        return "as it is", predict(forward, encode(self.examples, task, self.model.tokenizer), task, self.model.tokenizer)

    def simple(self, train: Examples) -> Iterator[tuple[str, list[Prediction]]]:
        """The predictions of simple models that learned from the training rows."""
        task = self.task
        if not isinstance(task, LabelTask):
            return
        rows, texts = list(train), task.texts(self.truths)
        plain = baselines.Plain(task.texts(rows), task.targets(rows).numpy(), task.labels)
        tables = {
            "majority": baselines.majority(plain, len(texts)),
            "tfidf": baselines.tfidf(plain, texts),
            "linear_probe": baselines.linear_probe(
                plain, lambda chosen: self.vectors([plain.texts[i] for i in chosen]), self.vectors(texts)
            ),
        }
        for name, table in tables.items():
            yield name, task.predictions(torch.from_numpy(table))

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """The frozen base's vectors of texts, (texts, hidden)."""
        return embed(self.model, texts, getattr(self.task, "max_length", 512), autocast(device(), self.dtype)).numpy()


def chance(rows: int, task: LabelTask) -> Tensor:
    """The table of a model that knows nothing: a label drawn at random, or the value 0."""
    generator = torch.Generator().manual_seed(0)
    if task.kind == "regression":
        return torch.zeros(rows, 1)
    return torch.rand(rows, len(task.labels), generator=generator).softmax(dim=1)
