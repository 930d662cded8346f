"""The proof: the base model, the tuned model and simple baselines, judged on the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.run import seed_of
from tunesmith.core.task import Forward, LabelTask, Prediction, Row, Task
from tunesmith.data.encode import encode
from tunesmith.data.load import Data, Examples
from tunesmith.engine.loop import Fitted
from tunesmith.engine.precision import autocast, choose, device
from tunesmith.evaluate import baselines
from tunesmith.evaluate.compare import compare
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build
from tunesmith.model.embed import embed
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.report.folder import write_json, write_text

Say = Callable[[str], None]
PROBE_ROWS = 2_000  # training rows that the linear probe learns from


@dataclass(frozen=True)
class Judged:
    """One contestant's predictions and what they are worth."""

    predictions: list[Prediction]
    metrics: dict[str, Any]
    correct: list[float]


@dataclass(frozen=True)
class Proof:
    """What was judged, on which rows, and the content of ``scores.json``."""

    split: str
    truths: list[Row] = field(repr=False)
    texts: list[str] = field(repr=False)
    base: Judged | None
    tuned: Judged
    scores: dict[str, Any]

    def write(self, folder: Path) -> None:
        """``predictions/SPLIT.jsonl``: a line a row, in the order of the data."""
        lines = (
            json.dumps({"row": row, "text": text, "truth": truth.get("label"), "correct": correct, **prediction}, ensure_ascii=False)
            for row, (text, truth, correct, prediction) in enumerate(
                zip(self.texts, self.truths, self.tuned.correct, self.tuned.predictions, strict=True)
            )
        )
        (folder / "predictions").mkdir(exist_ok=True)
        write_text(folder / "predictions" / f"{self.split}.jsonl", "\n".join(lines) + "\n")


def prove(recipe: Recipe, fitted: Fitted, data: Data, say: Say) -> Proof:
    """Judge the tuned model, its base and simple baselines on the test rows; on the validation rows where there are no test rows."""
    task, model = recipe.task, fitted.model
    split, examples = ("test", data.test) if data.test is not None else ("validation", data.validation)
    if examples is None:
        split, examples = "train", data.train
    truths = list(examples)
    judge = partial(judged, task, truths)
    tuned = judge(predict(fitted.run.forward, encode(examples, task, model.tokenizer), task, model.tokenizer))
    torch.manual_seed(seed_of(recipe.seed, "head"))
    base_model = build(recipe.model_spec, task.head(), lambda message: None)
    contestants = Contestants(task, base_model, recipe)
    how, predictions = contestants.base(examples, truths)
    base = judge(predictions)
    others = {name: judge(found) for name, found in contestants.baselines(data.train, truths)} if recipe.baselines else {}
    scores = compare(
        task=name_of(task),
        split=split,
        primary=task.primary,
        ...
    )
    return Proof(split, truths, texts_of(task, truths), base, tuned, scores)
