"""Predictions of several models become one: by votes, by means of probabilities, or by weights that are fitted to other rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.label_task import ANSWER, LabelTask
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.data.choice_items import chosen
from tunesmith.recipes.ensemble import VOTE
from tunesmith.tasks.multiple_choice import MultipleChoice
from tunesmith.tasks.token_classification import TokenClassification

Tables = npt.NDArray[np.float64]  # (members, rows, answers)

TIE = 1e-6  # what probabilities count beside votes: where votes are equal, they decide
ROUNDS = 50  # of the greedy selection
LEAST = 1e-12  # probability that is told from none


@dataclass(frozen=True)
class Labels:
    """Labels, or values: a row of the table has the probability of each label, or the value."""

    task: LabelTask

    def table(self, predictions: Sequence[Prediction], rows: Sequence[Row]) -> Tables:
        return np.asarray(self.task.table(predictions).numpy(), np.float64)

    def predictions(self, table: Tables, rows: Sequence[Row]) -> list[Prediction]:
        return self.task.predictions(torch.from_numpy(table))

    def votes(self, tables: Tables) -> Tables:
        """The share of the votes that each label has; of several labels, half of the votes become the threshold."""
        if self.task.kind == "single":
            return shares(tables)
        given = (tables >= self.task.given_from).mean(axis=0)
        return np.asarray(np.interp(given, [0, 0.5, 1], [0, self.task.given_from, 1]))

    def loss(self, table: Tables, rows: Sequence[Row]) -> float:
        """Log loss; of values the squared error."""
        truth = self.task.targets(rows, torch.float64).numpy()
        if self.task.kind == "single":
            return log_loss(table, truth)
        if self.task.kind == "multi":
            return float(-np.log(np.maximum(np.where(truth > 0, table, 1 - table), LEAST)).mean())
        return float(np.square(table[:, 0] - truth).mean())

    def answer(self, prediction: Prediction) -> Any:
        return prediction[ANSWER[self.task.kind]]


@dataclass(frozen=True)
class Choices:
    """One of several texts: a row of the table has the probability of each, and 0 where a row has fewer."""

    task: MultipleChoice

    def table(self, predictions: Sequence[Prediction], rows: Sequence[Row]) -> Tables:
        table = np.zeros((len(rows), max((len(row["choices"]) for row in rows), default=0)))
        for own, prediction in zip(table, predictions, strict=True):
            own[: len(prediction["probabilities"])] = prediction["probabilities"]
        return table

    def predictions(self, table: Tables, rows: Sequence[Row]) -> list[Prediction]:
        return [chosen(own[: len(row["choices"])].tolist(), row["choices"]) for own, row in zip(table, rows, strict=True)]

    def votes(self, tables: Tables) -> Tables:
        return shares(tables)

    def loss(self, table: Tables, rows: Sequence[Row]) -> float:
        return log_loss(table, np.array([row["answer"] for row in rows], np.int64))

    def answer(self, prediction: Prediction) -> Any:
        return prediction["index"]


@dataclass(frozen=True)
class Tags:
    """A tag for each token: the table has a row for each token of all rows, with the probability of each tag.

    Of predictions without probabilities the tag that is given has its confidence, and the others none, which is enough for votes.
    Tokens are those of the rows, whatever pieces a member's tokenizer makes of them.
    """

    task: TokenClassification

    def table(self, predictions: Sequence[Prediction], rows: Sequence[Row]) -> Tables:
        columns = [[self._chances(prediction, label) for prediction in predictions] for label in self.task.labels]
        return np.stack(list(map(np.concatenate, columns)), axis=1)

    def _chances(self, prediction: Prediction, label: str) -> Tables:
        if known := prediction.get("probabilities"):
            return np.asarray(known[label], float)
        given = np.array([tag == label for tag in prediction["tags"]])
        return np.where(given, np.maximum(prediction["confidences"], LEAST), 0.0)

    def predictions(self, table: Tables, rows: Sequence[Row]) -> list[Prediction]:
        """The likeliest sequence that the scheme allows, by the probabilities of each token."""
        parts = np.split(np.log(np.maximum(table, LEAST)), np.cumsum([len(row["starts"]) for row in rows])[:-1])
        return [self.task.merge([{**row, "places": list(range(len(own))), "scores": own}]) for row, own in zip(rows, parts, strict=True)]

    def votes(self, tables: Tables) -> Tables:
        return shares(tables)

    def loss(self, table: Tables, rows: Sequence[Row]) -> float:
        return log_loss(table, np.concatenate([row["tags"] for row in rows]))

    def answer(self, prediction: Prediction) -> Any:
        return prediction["tags"]


Form = Labels | Choices | Tags
FORMS: tuple[tuple[type, Callable[[Any], Form]], ...] = ((LabelTask, Labels), (MultipleChoice, Choices), (TokenClassification, Tags))


def form_of(task: Task) -> Form | None:
    """How the predictions of a task are a table; None where they are none."""
    return next((form(task) for kind, form in FORMS if isinstance(task, kind)), None)


def telling(task: Task, how: str) -> Task:
    """The task of a member, whose predictions hold what is combined so: of tags the probability of each."""
    if how == VOTE or not isinstance(task, TokenClassification):
        return task
    told = copy.copy(task)
    told.probabilities = True
    return told


def shared(tasks: Sequence[Task], weights: Sequence[float]) -> Task:
    """The task of the first; where members give labels from different probabilities, from their weighted mean. Weights sum to 1."""
    found = [task.given_from for task in tasks if isinstance(task, LabelTask)]
    if not isinstance(tasks[0], LabelTask) or len(set(found)) == 1:
        return tasks[0]
    return tasks[0].at(sum(weight * threshold for weight, threshold in zip(weights, found, strict=True)))


def check(task: Task, how: str, name: str) -> None:
    """Raise ``InputError`` where predictions of the task of a run cannot be combined so."""
    if form_of(task) is None:
        raise InputError(Problem("the answers of this task cannot be combined", "Take soup, which averages weights", name))
    if how == VOTE and getattr(task, "kind", "") == "regression":
        raise InputError(Problem("values are not voted on", "Take average, weighted or soup", name))


def combine(
    task: Task, how: str, weights: Sequence[float], members: Sequence[Sequence[Prediction]], rows: Sequence[Row]
) -> list[Prediction]:
    """One prediction for each of ``rows``, which ``Task.read`` returned, from those of several members. Weights sum to 1."""
    if not rows:
        return []
    form = form_of(task)
    assert form is not None
    tables = np.stack([form.table(predictions, rows) for predictions in members])
    return form.predictions(form.votes(tables) if how == VOTE else mean(tables, weights), rows)


def mean(tables: Tables, weights: Sequence[float]) -> Tables:
    """The weighted mean over members: (rows, answers)."""
    return np.asarray(np.tensordot(np.asarray(weights, float), tables, axes=1))


def shares(tables: Tables) -> Tables:
    """The share of members whose likeliest answer each is, (rows, answers); of equal votes the likelier one has a little more."""
    answers = tables.argmax(axis=2)[..., None] == np.arange(tables.shape[2])
    return np.asarray((answers.mean(axis=0) + TIE * tables.mean(axis=0)) / (1 + TIE))


def log_loss(table: Tables, truth: npt.NDArray[np.int64]) -> float:
    """The mean of minus the logarithm of the true answer's probability."""
    return float(-np.log(np.maximum(table[np.arange(len(truth)), truth], LEAST)).mean())


def greedy_weights(tables: Tables, loss: Callable[[Tables], float]) -> list[float]:
    """A weight for each member, which sum to 1: how often it is chosen, one after the other, so that the mean of those chosen loses least.

    The best of all rounds counts, so weights are never worse than the best member alone, on the rows that they are fitted to.

    Source: Caruana et al. 2004, "Ensemble Selection from Libraries of Models", sections 2.1 (with replacement) and 2.2 (the best first).
    """
    counts, total = np.zeros(len(tables)), np.zeros_like(tables[0])
    best, kept = np.inf, counts
    for chosen_so_far in range(ROUNDS):
        losses = [loss((total + table) / (chosen_so_far + 1)) for table in tables]
        member = int(np.argmin(losses))
        counts, total = counts + (np.arange(len(tables)) == member), total + tables[member]
        if losses[member] < best:
            best, kept = losses[member], counts
    return [float(share) for share in kept / kept.sum()]


def agreement(task: Task, members: Sequence[Sequence[Prediction]], rows: Sequence[Row]) -> list[list[float]]:
    """How much each member agrees with each: the share of rows with the same answer; of values their correlation."""
    form = form_of(task)
    answers = [
        [form.answer(own) if form else task.shown(row, own)["predicted"] for row, own in zip(rows, member, strict=True)]
        for member in members
    ]
    found = np.eye(len(members))
    for one, other in combinations(range(len(members)), 2):
        found[one, other] = found[other, one] = alike(answers[one], answers[other], getattr(task, "kind", "") == "regression")
    return [[float(value) for value in row] for row in found]


def alike(one: Sequence[Any], other: Sequence[Any], values: bool) -> float:
    """The share of equal answers; the correlation of ``values``, 0 where one of the two is constant."""
    if not values:
        return float(np.mean([a == b for a, b in zip(one, other, strict=True)]))
    return float(np.corrcoef(one, other)[0, 1]) if np.ptp(one) > 0 and np.ptp(other) > 0 else 0.0
