"""The proof: the base model, the tuned model and simple baselines, judged on the same rows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.forward import Forward
from tunesmith.core.label_task import LabelTask
from tunesmith.core.run import seed_of
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.core.words import Say
from tunesmith.data.columns import GROUP
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.examples import Examples
from tunesmith.data.load import Data
from tunesmith.engine.loop import Fitted
from tunesmith.engine.precision import choose, device
from tunesmith.evaluate import baselines
from tunesmith.evaluate.compare import Judged, compare, with_measure
from tunesmith.evaluate.groups import audit
from tunesmith.evaluate.score import predict
from tunesmith.evaluate.threshold import Thresholds
from tunesmith.evaluate.vectors import vectors
from tunesmith.model.build import build_for
from tunesmith.model.four_bit import restore
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe
from tunesmith.report.folder import write_text
from tunesmith.report.verdict import AS_IT_IS, CHANCE

SHOWN = 3  # predictions shown as they come
KNOWN = 100_000  # training rows that simple models are made of, at most
Answer = Callable[["Untuned"], Sequence[Prediction]]


@dataclass(frozen=True)
class Proof:
    """What was judged, on which rows, and the content of ``scores.json``.

    ``correct`` says how right each prediction is, as the task's ``correct`` does, and ``base_correct`` how right the base model was;
    ``base_predictions`` is what that answered, where it is to be shown beside. ``tests`` are the same for further rows, whose names are
    their splits.
    """

    task: Task
    split: str
    truths: list[Row] = field(repr=False)
    predictions: list[Prediction] = field(repr=False)
    correct: list[float] = field(repr=False)
    base_correct: list[float] = field(repr=False)
    scores: dict[str, Any] = field(repr=False)
    base_predictions: list[Prediction] = field(repr=False, default_factory=list)
    tests: Sequence[Proof] = field(repr=False, default=())

    def shown(self, row: int) -> dict[str, Any]:
        """A judged row and its prediction, for people."""
        return self.task.shown(self.truths[row], self.predictions[row])

    def examples(self) -> list[dict[str, Any]]:
        """The first predictions, right or wrong, and under ``base`` those of the base model."""
        pairs = zip(self.truths[:SHOWN], self.base_predictions, strict=False)
        before = [{"base": self.task.shown(row, prediction)["predicted"]} for row, prediction in pairs] or [{}] * SHOWN
        return [self.shown(row) | beside for row, beside in zip(range(len(self.truths)), before, strict=False)]

    def errors(self, most: int) -> list[dict[str, Any]]:
        """Wrong predictions: those with the largest loss first, or the least right, and among those equally wrong the most confident."""
        imperfect = (row for row, correct in enumerate(self.correct) if correct < 1)
        shown = {row: found for row in imperfect if (found := self.shown(row)).get("predicted") != found.get("truth")}
        worst = sorted(shown, key=lambda row: (-shown[row].get("loss", -self.correct[row]), -shown[row].get("confidence", 0.0)))
        return [shown[row] for row in worst[:most]]

    def write(self, folder: Path) -> None:
        """``predictions/SPLIT.jsonl``: a line for each judged row, in the order of the data."""
        (folder / "predictions").mkdir(exist_ok=True)
        right = enumerate(zip(self.correct, self.base_correct, strict=True))
        rows = ({"row": row, **self.shown(row), "correct": tuned, "base_correct": base} for row, (tuned, base) in right)
        write_text(folder / "predictions" / f"{self.split}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        for test in self.tests:
            test.write(folder)


def prove(recipe: Recipe, fitted: Fitted, data: Data, time: tuple[float, float], say: Say | None = None) -> Proof:
    """Judge the tuned model, its base and simple baselines on the test rows; where there are none, on the validation rows.

    Without these either, the training rows are judged. Further tests follow. ``time`` is the seconds of training and the tokens per
    second, which ``scores.json`` holds too; ``say`` is told how far it is. Every rank gets the whole proof, whose ``task`` has the
    threshold that was chosen.
    """
    truths, tokenizer = judged_rows(data), fitted.model.tokenizer
    encoded = encode(truths, recipe.task, tokenizer)
    untuned = Untuned(recipe, truths, encoded, say)
    restore(fitted.model.module, untuned.model.module)  # an adapter is shipped without its base, so it is judged on the base as it is
    fitted.run.model.eval()
    return proven(recipe, untuned, data, lambda asked: predict(fitted.run.forward, asked.encoded, recipe.task, tokenizer, say=say), time)


def judged_rows(data: Data) -> list[Row]:
    """The rows by which a run is judged: of its test data, or of the validation data, or of those it learns from."""
    return list(next(iter(data.judged().values())))


def proven(recipe: Recipe, untuned: Untuned, data: Data, answer: Answer, time: tuple[float, float]) -> Proof:
    """The proof for a tuned model on the judged rows and on further tests, beside ``untuned`` and, on the first, simple baselines.

    ``answer`` gives its predictions for the rows of an ``Untuned``. A threshold that the task leaves open is chosen for each of them by
    the validation rows, which are asked beside those that are judged.
    """
    (split, examples), *others = data.judged().items()
    truths, thresholds = untuned.truths, Thresholds(recipe.task, list(data.validation or ()))
    asked = untuned.on([*truths, *thresholds.rows]) if thresholds.rows and split != "validation" else untuned
    base_is, base = asked.answers(data.train)
    simple = dict(simple_answers(asked, known_rows(data.train)) if recipe.baselines else ())
    answers = {"base": base, "tuned": answer(asked), **simple}
    found = {name: thresholds.choose(name, own, len(truths)) for name, own in answers.items()}
    recipe = replace(recipe, task=thresholds.task_of("tuned"))
    proof = on_rows(recipe, (split, examples), truths, found, base_is)
    tests = []
    for name, further in others:
        asked = untuned.on(list(further))
        base_is, base = asked.answers(data.train)
        found = {"base": thresholds.decide("base", base), "tuned": thresholds.decide("tuned", answer(asked))}
        tests.append(on_rows(recipe, (name, further), asked.truths, found, base_is))
    scores = {**proof.scores, **thresholds.scores(), **({"tests": {test.split: test.scores for test in tests}} if tests else {})}
    scores |= {"seconds": {"train": time[0]}, "tokens_per_second": time[1]}
    return replace(proof, scores=scores, tests=tests)


def on_rows(
    recipe: Recipe,
    judged: tuple[str, Examples],
    truths: list[Row],
    answers: Mapping[str, Sequence[Prediction]],
    base_is: str,
) -> Proof:
    """The proof on one set of rows: by which name, and which. ``answers`` are those of base, tuned and simple models, by their names."""
    task, (split, examples) = recipe.task, judged
    predictions, found = (task.beside(answers[name], answers["base"]) for name in ("tuned", "base"))
    base, tuned = judge(task, truths, found), judge(task, truths, predictions)
    simple = {name: judge(task, truths, own) for name, own in answers.items() if name not in ("base", "tuned")}
    scores = compare(name_of(task), task, split, base, tuned, simple)
    for before, after in worths(recipe, truths, found, predictions):
        scores = with_measure(scores, "reward", before, after)
    if GROUP in examples.rows.columns and (
        groups := audit(task, examples.rows.column(GROUP), truths, {"base": found, "tuned": predictions})
    ):
        scores["groups"] = groups
    scores |= {"base_is": base_is}
    return Proof(task, split, truths, predictions, list(tuned.correct), list(base.correct), scores, found)


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
    return Judged(task.metrics(predictions, truths), task.correct(predictions, truths), task.over(predictions, truths))


class Untuned:
    """The base model as it can be used without tuning, on the rows that are judged."""

    def __init__(self, recipe: Recipe, truths: list[Row], encoded: Encoded | None = None, say: Say | None = None) -> None:
        self.task, self.truths, self.say = recipe.task, truths, say
        torch.manual_seed(seed_of(recipe.seed, "head"))
        self.model = build_for(recipe.task, recipe.model_spec)
        self.encoded = encode(truths, recipe.task, self.model.tokenizer) if encoded is None else encoded
        where = device()
        self.forward = Forward(self.model.module.to(where).eval(), where, choose(recipe.training.precision, where))
        self._own: np.ndarray | None = None

    def on(self, truths: list[Row]) -> Untuned:
        """The same model on other rows."""
        other = copy.copy(self)
        other.truths, other.encoded, other._own = truths, encode(truths, self.task, self.model.tokenizer), None
        return other

    def answers(self, train: Sequence[Row]) -> tuple[str, list[Prediction]]:
        """How the base was used, and its predictions: as it is where it has the head; by the names of the labels; else by chance.

        Chance answers as often as the rows of ``train`` have each answer.
        """
        task = self.task
        if not isinstance(task, LabelTask) or not self.model.fresh:
            return AS_IT_IS, predict(self.forward, self.encoded, task, self.model.tokenizer, say=self.say)
        if labels := task.label_rows():
            table = torch.from_numpy(baselines.nearest_label(self.own_vectors(), self.vectors(labels)))
            return "zero-shot by label names", task.predictions(table)
        return CHANCE, task.predictions(chance(task, task.targets(known_rows(train)), len(self.truths)))

    def own_vectors(self) -> np.ndarray:
        """The vectors of the judged rows, (rows, hidden)."""
        self._own = self._embed(self.encoded) if self._own is None else self._own
        return self._own

    def vectors(self, rows: Sequence[Row]) -> np.ndarray:
        """The vectors of other rows, (rows, hidden)."""
        return self._embed(Encoded([self.task.encode(rows, self.model.tokenizer)]))

    def _embed(self, encoded: Encoded) -> np.ndarray:
        return vectors(self.forward, encoded, self.task, self.model.tokenizer)


def known_rows(train: Sequence[Row]) -> list[Row]:
    """Training rows for chance and for simple models: all, or every nth where they are more than ``KNOWN``."""
    return list(train[:: max(1, -(-len(train) // KNOWN))])


def chance(task: LabelTask, known: Tensor, num_rows: int) -> Tensor:
    """The answers of a model that knows no row, and of the truths what is ``known`` (``targets`` of training rows): drawn at random.

    Probabilities (rows, labels), by which each label is given as often as it is known; or values of known ones (rows, 1).
    """
    generator = torch.Generator().manual_seed(0)
    if task.kind == "regression":
        return known[torch.randint(len(known), (num_rows, 1), generator=generator)]
    noise = torch.rand(num_rows, len(task.labels), generator=generator).clamp(1e-6, 1 - 1e-6)
    if task.kind == "single":
        counts = torch.bincount(known, minlength=len(task.labels)) + 1.0
        return (counts.log() - (-noise.log()).log()).softmax(dim=1)  # the largest of logits and Gumbel noise is a draw
    shares = (known.sum(dim=0) + 1) / (len(known) + 2)
    return (shares.logit() + noise.logit()).sigmoid()


def simple_answers(untuned: Untuned, train: list[Row]) -> Iterator[tuple[str, Sequence[Prediction]]]:
    """The predictions of simple models that learn from the training rows, by their names."""
    task = untuned.task
    yield from task.baselines(train, untuned.truths).items()
    if not isinstance(task, LabelTask):
        return
    plain = baselines.Plain(task.texts(train), task.targets(train).numpy(), task.labels)
    texts = task.texts(untuned.truths)
    yield "mean" if task.kind == "regression" else "majority", task.predictions(torch.from_numpy(baselines.majority(plain, len(texts))))
    if "text" in task.offers:  # the name of a file says nothing, or the answer
        yield "tfidf", task.predictions(torch.from_numpy(baselines.tfidf(plain, texts)))
    if not task.one_input:
        return
    table = baselines.linear_probe(plain, lambda chosen: untuned.vectors([train[row] for row in chosen]), untuned.own_vectors())
    yield "linear_probe", task.predictions(torch.from_numpy(table))
