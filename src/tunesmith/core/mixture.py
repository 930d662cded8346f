"""A mixture: several tasks that one model learns together, with one set of layers and a head for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NoReturn, Self

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss, added
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Task

SEVERAL = "several tasks"  # the capability that a mixture has
APART = "several tasks, each in passes of its own"  # what strategies for mixtures need that look at each task by itself
MAY_OFFER = frozenset({SEVERAL, APART, "logits"})  # the last where all of its tasks do
MEAN = "mean_of_tasks"  # the metric that decides in a mixture
PLACE = "task"  # the feature of an item that says of which task it is, by number
GUESTS = "guests"  # the feature of an item that says which further tasks learn from the same pass: 1 for the first, 2 for the second, 4...
MAY_DIFFER = {"input_ids", "token_type_ids"}  # what may differ between tasks that share a pass: tokens that one hides, types that are all 0
MARK = "/"  # parts the name of a guest from that of its feature or target


@dataclass(frozen=True)
class Member:
    """One task of a mixture.

    ``tokenizer``  what feeds its head
    ``items``      how many items of it are trained on
    ``weight``     what its loss weighs beside those of the others, above 0
    ``worth``      what an item counts on average in its loss: 1 for a row with a label, some dozens for a row with a tag for each token
    ``guests``     tasks by name that learn from the same passes, and have no items of their own: what they need stands in those of the task
                   as ``NAME/feature``, where it has the same tokens
    """

    task: Task
    tokenizer: Any
    items: int
    weight: float = 1.0
    worth: float = 1.0
    guests: Mapping[str, Member] = field(default_factory=dict)

    @property
    def everyone(self) -> list[Task]:
        """The task and its guests."""
        return [self.task, *(guest.task for guest in self.guests.values())]


@dataclass
class Mixture(Task):
    """Several tasks as one, over ``SharedTrunk``: the objective of a batch is that of the task whose rows it holds.

    A loss is divided by what an item of its task counts, so that the loss of a step is the mean over its items, whatever each counts:
    sum_t w_t n_t L_t / sum_t w_t n_t, where L_t is the mean loss of task t, n_t about its number of items, and w_t its weight. With one
    task that is L_t itself. Sums and counts are both scaled, and still add up over micro-batches and ranks.

    An item counts once for its task and once for each guest, as if that had an item of its own; the layers are computed once for all.
    """

    members: dict[str, Member] = setting(factory=dict, text="the tasks by name")

    offers: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        given = [task.offers & MAY_OFFER for member in self.members.values() for task in member.everyone]
        own = frozenset({SEVERAL, APART}).union(frozenset.intersection(*given) if given else ())
        self.offers = frozenset({SEVERAL}) if any(member.guests for member in self.members.values()) else own  # type: ignore[misc]
        self.compares = any(task.compares for member in self.members.values() for task in member.everyone)  # type: ignore[misc]

    @property
    def primary(self) -> str:
        return MEAN

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        return cls(), []

    def part_of(self, item: Row) -> int:
        return int(item[PLACE] + len(self.members) * item.get(GUESTS, 0))

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        """Items of one task. Raises ``InputError`` for items of several."""
        if len(places := {item[PLACE] for item in features}) > 1:
            self._refuse()
        name = list(self.members)[places.pop()]
        member = self.members[name]
        batch = member.task.collate([_of(item) for item in features], member.tokenizer)
        guests = {guest: own for bit, (guest, own) in enumerate(member.guests.items()) if features[0].get(GUESTS, 0) >> bit & 1}
        others = {guest: own.task.collate([_of(item, guest) for item in features], own.tokenizer) for guest, own in guests.items()}
        targets = {f"{guest}/{role}": value for guest, other in others.items() for role, value in other.targets.items()}
        inputs, notes = _one_input(name, batch, others), {**batch.notes, PLACE: name, GUESTS: tuple(guests)}
        return replace(batch, inputs=inputs, targets={**batch.targets, **targets}, notes=notes)

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
        before, some = 0, len(run.train) < sum(member.items for member in self.members.values())
        for number, (host, member) in enumerate(self.members.items()):
            own: Sequence[int] = range(before, before + member.items)
            if some:  # a few of the items are looked at, before training
                own = [place for place, item in enumerate(run.train) if item[PLACE] == number]
            before += member.items
            for bit, (name, one) in enumerate({host: member, **member.guests}.items(), -1):
                if getattr(type(one.task), seam.__name__) is seam:
                    continue
                read = own if one is member else [place for place in own if run.train[place][GUESTS] >> bit & 1]
                items = Part(run.train, read, "" if one is member else name)
                yield one.task, replace(run, task=one.task, tokenizer=one.tokenizer, train=items, forward=through(name, run.forward))

    def unpack(self) -> bool:
        return max([task.unpack() for member in self.members.values() for task in member.everyone], default=False)

    def reached(self, batch: Batch, forward: Forward) -> Forward:
        return through(str(batch.notes[PLACE]), forward)

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        name = str(batch.notes[PLACE])
        member = self.members[name]
        guests = {guest: member.guests[guest] for guest in batch.notes.get(GUESTS, ())}
        if not guests:
            return _loss(name, member, batch, forward)
        host = replace(batch, targets={role: value for role, value in batch.targets.items() if MARK not in role})
        with whole(forward).once():
            return added([_loss(name, member, host, forward), *(_loss(n, own, _seen_by(n, batch), forward) for n, own in guests.items())])

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
    """The items at some ``places`` among all ``items``, as a ``guest`` sees them if one is named, read when they are asked for."""

    items: Sequence[Row]
    places: Sequence[int]
    guest: str = ""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        found = self.places[index]
        return _of(self.items[found], self.guest) if isinstance(found, int) else Part(self.items, found, self.guest)


def _of(item: Row, guest: str = "") -> Row:
    """What a guest sees of an item, or without one what the task sees that it is of."""
    own = {name: value for name, value in item.items() if MARK not in name}
    return own | {name.removeprefix(guest + MARK): value for name, value in item.items() if guest and name.startswith(guest + MARK)}


def _seen_by(guest: str, batch: Batch) -> Batch:
    """A batch with the targets of a guest in the place of those of the task that it is of."""
    mine = {role.removeprefix(guest + MARK): value for role, value in batch.targets.items() if role.startswith(guest + MARK)}
    return replace(batch, targets=mine)


def _one_input(name: str, batch: Batch, others: Mapping[str, Batch]) -> dict[str, Tensor]:
    """What goes through the layers for all: what the task itself reads, or what the one guest makes of it that changes tokens.

    Raises ``InputError`` for tasks that cannot read the same.
    """
    found = [guest for guest, other in others.items() if not torch.equal(other.inputs["input_ids"], batch.inputs["input_ids"])]
    for guest, other in others.items():
        odd = [role for role in {*other.inputs, *batch.inputs} - MAY_DIFFER if not _alike(other.inputs.get(role), batch.inputs.get(role))]
        if odd or other.inputs["input_ids"].shape != batch.inputs["input_ids"].shape:
            message = (
                f"tasks.{guest} cannot share passes with {name}: they differ in {', '.join(sorted(odd)) or 'rows'}, which the model reads"
            )
            raise InputError(Problem(message, "Take out same_pass_as", key=f"tasks.{guest}.same_pass_as"))
    if len(found) > 1:
        message = f"{' and '.join(found)} both change the tokens that {name} reads"
        raise InputError(Problem(message, "Take same_pass_as out of all but one", key=f"tasks.{found[1]}.same_pass_as"))
    return batch.inputs | {"input_ids": others[found[0]].inputs["input_ids"]} if found else batch.inputs


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and torch.equal(one, other)


def _loss(name: str, member: Member, batch: Batch, forward: Forward) -> Loss:
    """What a task adds to the loss of a step."""
    return scaled(member.task.objective(batch, through(name, forward)), member.weight / member.worth, name)


def whole(forward: Forward) -> Any:
    """The whole model, an adapter around it or not."""
    return getattr(forward.module, "get_base_model", lambda: forward.module)()


def through(name: str, forward: Forward) -> Forward:
    """The forward pass through the head of a task, where ``forward`` is that of the whole model."""
    return replace(forward, module=whole(forward).head(name))


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
