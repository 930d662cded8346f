"""The proof: the base model, the tuned model and simple baselines, judged on the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.forward import Forward
from tunesmith.core.label_task import LabelTask
from tunesmith.core.run import seed_of
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.data.columns import GROUP
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.load import Data
from tunesmith.engine.loop import Fitted
from tunesmith.engine.precision import choose, device
from tunesmith.evaluate import baselines
from tunesmith.evaluate.compare import Judged, Statistic, compare, with_measure
from tunesmith.evaluate.groups import audit
from tunesmith.evaluate.score import predict
from tunesmith.evaluate.vectors import vectors
from tunesmith.model.build import build_for
from tunesmith.model.four_bit import restore
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.report.folder import write_text

SHOWN = 3  # predictions shown as they come


@dataclass(frozen=True)
class Proof:
    """What was judged, on which rows, and the content of ``scores.json``.

    ``correct`` says how right each prediction is, as the task's ``correct`` does, and ``base_correct`` how right the base model was.
    """

    task: Task
    split: str
    truths: list[Row] = field(repr=False)
    predictions: list[Prediction] = field(repr=False)
    correct: list[float] = field(repr=False)
    base_correct: list[float] = field(repr=False)
    scores: dict[str, Any] = field(repr=False)

    def shown(self, row: int) -> dict[str, Any]:
        """A judged row and its prediction, for people."""
        return self.task.shown(self.truths[row], self.predictions[row])

    def examples(self) -> list[dict[str, Any]]:
        """The first predictions, right or wrong."""
        return [self.shown(row) for row in range(min(SHOWN, len(self.truths)))]

    def errors(self, most: int) -> list[dict[str, Any]]:
        """Wrong predictions: the least right first, and among those equally wrong the most confident."""
        imperfect = (row for row, correct in enumerate(self.correct) if correct < 1)
        shown = {row: found for row in imperfect if (found := self.shown(row)).get("predicted") != found.get("truth")}
        worst = sorted(shown, key=lambda row: (self.correct[row], -shown[row].get("confidence", 0.0)))
        return [shown[row] for row in worst[:most]]

    def write(self, folder: Path) -> None:
        """``predictions/SPLIT.jsonl``: a line for each judged row, in the order of the data."""
        (folder / "predictions").mkdir(exist_ok=True)
        right = enumerate(zip(self.correct, self.base_correct, strict=True))
        rows = ({"row": row, **self.shown(row), "correct": tuned, "base_correct": base} for row, (tuned, base) in right)
        write_text(folder / "predictions" / f"{self.split}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def prove(recipe: Recipe, fitted: Fitted, data: Data, time: tuple[float, float]) -> Proof:
    """Judge the tuned model, its base and simple baselines on the test rows; where there are none, on the validation rows.

    Without these either, the training rows are judged. ``time`` is the seconds of training and the tokens per second, which
    ``scores.json`` holds too. Every rank gets the whole proof.
    """
    task, tokenizer = recipe.task, fitted.model.tokenizer
    split, examples = next((name, rows) for name, rows in reversed(data.splits().items()))
    truths, encoded = list(examples), encode(examples, task, tokenizer)
    untuned = Untuned(recipe, truths, encoded)
    restore(fitted.model.module, untuned.model.module)  # an adapter is shipped without its base, so it is judged on the base as it is
    fitted.run.model.eval()
    predictions = predict(fitted.run.forward, encoded, task, tokenizer)
    base_is, found = untuned.answers()
    predictions, found = task.beside(predictions, found), task.beside(found, found)
    simple = simple_answers(untuned, list(data.train)) if recipe.baselines else ()
    base, tuned = judge(task, truths, found), judge(task, truths, predictions)
    scores = compare(name_of(task), task, split, base, tuned, {name: judge(task, truths, answers) for name, answers in simple})
    for before, after in worths(recipe, truths, found, predictions):
        scores = with_measure(scores, "reward", before, after)
    if GROUP in examples.rows.columns and (
        groups := audit(task, examples.rows.column(GROUP), truths, {"base": found, "tuned": predictions})
    ):
        scores["groups"] = groups
    scores |= {"base_is": base_is, "seconds": {"train": time[0]}, "tokens_per_second": time[1]}
    return Proof(task, split, truths, predictions, list(tuned.correct), list(base.correct), scores)


def worths(
    recipe: Recipe, truths: Sequence[Row], base: Sequence[Prediction], tuned: Sequence[Prediction]
) -> Iterator[tuple[list[float], list[float]]]:
    """What the answers of base and tuned model are worth to strategies that learn from rewards, where answers were written."""
    written = [row for row in range(len(truths)) if "text" in base[row] and "text" in tuned[row]]
    exchanges = [exchange for row in written if (exchange := recipe.task.exchange(truths[row]))]
    if not exchanges:
        return
    questions, references = zip(*exchanges, strict=True)
    for strategy in recipe.strategies:
        before, after = (strategy.worth([of[row]["text"] for row in written], questions, references) for of in (base, tuned))
        if before is not None and after is not None:
            yield before, after


def judge(task: Task, truths: Sequence[Row], predictions: Sequence[Prediction]) -> Judged:
    """Predictions and what they are worth."""
    over = statistic(task, truths, predictions) if isinstance(task, LabelTask) else None
    return Judged(task.metrics(predictions, truths), task.correct(predictions, truths), over)


def statistic(task: LabelTask, truths: Sequence[Row], predictions: Sequence[Prediction]) -> Statistic:
    """The primary metric as a function of row numbers, quick enough to be asked a thousand times."""
    table, truth = task.table(predictions), task.targets(truths, torch.float64)
    ranked = task.primary not in task.score(table, truth, ranked=False)
    return lambda rows: float(task.score(table[rows], truth[rows], ranked).get(task.primary, np.nan))


class Untuned:
    """The base model as it can be used without tuning, on the rows that are judged."""

    def __init__(self, recipe: Recipe, truths: list[Row], encoded: Encoded) -> None:
        self.task, self.truths, self.encoded = recipe.task, truths, encoded
        torch.manual_seed(seed_of(recipe.seed, "head"))
        self.model = build_for(recipe.task, recipe.model_spec)
        where = device()
        self.forward = Forward(self.model.module.to(where).eval(), where, choose(recipe.training.precision, where))
        self._own: np.ndarray | None = None

    def answers(self) -> tuple[str, list[Prediction]]:
        """How the base was used, and its predictions: as it is where it has the head; by the names of the labels; else by chance."""
        task = self.task
        if not isinstance(task, LabelTask) or not self.model.fresh:
            return "as it is", predict(self.forward, self.encoded, task, self.model.tokenizer)
        if labels := task.label_rows():
            table = torch.from_numpy(baselines.nearest_label(self.own_vectors(), self.vectors(labels)))
            return "zero-shot by label names", task.predictions(table)
        return "chance", task.predictions(chance(task, len(self.truths)))

    def own_vectors(self) -> np.ndarray:
        """The vectors of the judged rows, (rows, hidden)."""
        self._own = self._embed(self.encoded) if self._own is None else self._own
        return self._own

    def vectors(self, rows: Sequence[Row]) -> np.ndarray:
        """The vectors of other rows, (rows, hidden)."""
        return self._embed(Encoded([self.task.encode(rows, self.model.tokenizer)]))

    def _embed(self, encoded: Encoded) -> np.ndarray:
        return vectors(self.forward, encoded, self.task, self.model.tokenizer)


def chance(task: LabelTask, num_rows: int) -> Tensor:
    """The answers of a model that knows nothing, drawn at random: probabilities (rows, labels), or values around 0 (rows, 1)."""
    generator = torch.Generator().manual_seed(0)
    if task.kind == "regression":
        return torch.randn(num_rows, 1, generator=generator)
    chances = torch.rand(num_rows, len(task.labels), generator=generator)
    return chances / chances.sum(dim=1, keepdim=True) if task.kind == "single" else chances


def simple_answers(untuned: Untuned, train: list[Row]) -> Iterator[tuple[str, Sequence[Prediction]]]:
    """The predictions of simple models that learn from the training rows, by their names."""
    task = untuned.task
    yield from task.baselines(train, untuned.truths).items()
    if not isinstance(task, LabelTask):
        return
    plain = baselines.Plain(task.texts(train), task.targets(train).numpy(), task.labels)
    texts = task.texts(untuned.truths)
    yield "majority", task.predictions(torch.from_numpy(baselines.majority(plain, len(texts))))
    if "text" in task.offers:  # the name of a file says nothing, or the answer
        yield "tfidf", task.predictions(torch.from_numpy(baselines.tfidf(plain, texts)))
    if not task.one_input:
        return
    table = baselines.linear_probe(plain, lambda chosen: untuned.vectors([train[row] for row in chosen]), untuned.own_vectors())
    yield "linear_probe", task.predictions(torch.from_numpy(table))
