"""A mixture: several tasks that one model learns together, with one set of layers and a head for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn, Self

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Task

SEVERAL = "several tasks"  # the capability that strategies for mixtures need
MEAN = "mean_of_tasks"  # the metric that decides in a mixture
PLACE = "task"  # the feature of an item that says of which task it is, by number


@dataclass(frozen=True)
class Member:
    """One task of a mixture.

    ``tokenizer``  what feeds its head
    ``items``      how many items of it are trained on
    ``weight``     what its loss weighs beside those of the others, above 0
    ``worth``      what an item counts on average in its loss: 1 for a row with a label, some dozens for a row with a tag for each token
    """

    task: Task
    tokenizer: Any
    items: int
    weight: float = 1.0
    worth: float = 1.0


@dataclass
class Mixture(Task):
    """Several tasks as one, over ``SharedTrunk``: the objective of a batch is that of the task whose rows it holds.

    A loss is divided by what an item of its task counts, so that the loss of a step is the mean over its items, whatever each counts:
    sum_t w_t n_t L_t / sum_t w_t n_t, where L_t is the mean loss of task t, n_t about its number of items, and w_t its weight. With one
    task that is L_t itself. Sums and counts are both scaled, and still add up over micro-batches and ranks.
    """

    members: dict[str, Member] = setting(factory=dict, text="the tasks by name")

    offers: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        given = [member.task.offers & {"logits"} for member in self.members.values()]
        self.offers = frozenset({SEVERAL}).union(frozenset.intersection(*given) if given else ())  # type: ignore[misc]
        self.compares = any(member.task.compares for member in self.members.values())  # type: ignore[misc]

    @property
    def primary(self) -> str:
        return MEAN

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        return cls(), []

    def part_of(self, item: Row) -> int:
        return int(item[PLACE])

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        """Items of one task. Raises ``InputError`` for items of several."""
        if len(places := {item[PLACE] for item in features}) > 1:
            self._refuse()
        name = list(self.members)[places.pop()]
        member = self.members[name]
        batch = member.task.collate(features, member.tokenizer)
        return replace(batch, notes={**batch.notes, PLACE: name})

    def start(self, run: Run) -> None:
        """Every task has its own items, and the weights of its head and the trunk."""
        for task, own in self._apart(run, Task.start):
            weights = {id(weight) for weight in own.forward.module.parameters()}
            names = [name for name, weight in run.model.named_parameters() if id(weight) in weights]
            task.start(replace(own, params={name: run.params[name] for name in names}))

    def begin(self, run: Run) -> None:
        """Every task begins with its own items, and with the model through its head."""
        for task, own in self._apart(run, Task.begin):
            task.begin(own)

    def _apart(self, run: Run, seam: Callable[..., None]) -> Iterator[tuple[Task, Run]]:
        """The tasks that override ``seam``, each with the run as it sees it."""
        before = 0
        for name, member in self.members.items():
            own = Part(run.train, range(before, before + member.items) if run.train else range(0))
            before += member.items
            if getattr(type(member.task), seam.__name__) is not seam:
                yield member.task, replace(run, task=member.task, tokenizer=member.tokenizer, train=own, forward=through(name, run.forward))

    def unpack(self) -> bool:
        return max((member.task.unpack() for member in self.members.values()), default=False)

    def reached(self, batch: Batch, forward: Forward) -> Forward:
        return through(str(batch.notes[PLACE]), forward)

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        name = str(batch.notes[PLACE])
        member = self.members[name]
        return scaled(member.task.objective(batch, self.reached(batch, forward)), member.weight / member.worth, name)

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return self.members[batch.notes[PLACE]].task.decode(batch, output)

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        name = str(batch.notes[PLACE])
        member = self.members[name]
        return member.task.answer(batch, through(name, forward), member.tokenizer)

    def columns(self) -> tuple[Column, ...]:
        self._refuse()

    def learn(self, rows: Iterable[Row]) -> list[str]:
        self._refuse()

    def read(self, row: Row) -> Row:
        self._refuse()

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        self._refuse()

    def head(self) -> Head:
        self._refuse()

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        self._refuse()

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        self._refuse()

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        message = f"A strategy wants rows of one task, and there are {len(self.members)}: {', '.join(self.members)}"
        raise InputError(Problem(message, "Take out the strategy that reads or judges rows of its own"))


@dataclass(frozen=True)
class Part(Sequence[Row]):
    """The items at some ``places`` among all ``items``, read when they are asked for."""

    items: Sequence[Row]
    places: range

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        found = self.places[index]
        return self.items[found] if isinstance(found, int) else Part(self.items, found)


def through(name: str, forward: Forward) -> Forward:
    """The forward pass through the head of a task, where ``forward`` is that of the whole model, an adapter around it or not."""
    whole: Any = getattr(forward.module, "get_base_model", lambda: forward.module)()
    return replace(forward, module=whole.head(name))


def scaled(loss: Loss, scale: float, name: str) -> Loss:
    """The loss times ``scale`` in sum and count, which leaves its mean as it is; all of it is the share ``name`` of a step's loss."""
    if scale != 1:
        weights = loss.weights
        if loss.logits is not None:
            weights = (torch.ones(len(loss.logits), device=loss.logits.device) if weights is None else weights) * scale
        parts = {part: value * scale for part, value in loss.parts.items()}
        loss = replace(loss, sum=loss.sum * scale, count=loss.count * scale, weights=weights, parts=parts)
    return replace(loss, parts={**loss.parts, name: loss.sum.detach()})


def mean_of_tasks(primaries: Mapping[str, float], tasks: Mapping[str, Task]) -> float:
    """The mean of the metrics that decide in each task, all with more being better: an error e counts as 1 / (1 + e).

    That is between 0 and 1, as most of the others are, so that a perplexity does not outweigh them. NaN where one is not defined.
    """
    values = [primaries[name] if task.higher_is_better else 1 / (1 + primaries[name]) for name, task in tasks.items()]
    return math.fsum(values) / len(values)
