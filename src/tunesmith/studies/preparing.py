"""What a run of several tasks is trained with: the data of each, one model of all, and the items that they learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.mixture import GUESTS, PLACE, Member, Mixture
from tunesmith.core.run import seed_of
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Task
from tunesmith.core.words import Say
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.joined import joined
from tunesmith.data.load import Data, load
from tunesmith.data.mixing import MixedRows
from tunesmith.deciding import check_judged, check_watch
from tunesmith.engine.of_task import OfTask
from tunesmith.engine.precision import device
from tunesmith.evaluate.score import TOKENS
from tunesmith.model.build import Model, build_for
from tunesmith.model.shared import share
from tunesmith.recipes.places import placing
from tunesmith.recipes.recipe import Recipe
from tunesmith.studies.single import recipes_of

SAMPLE = 32  # items of a task whose loss is looked at, for what an item counts in it


@dataclass(frozen=True)
class Prepared:
    """What a mixture is trained with.

    ``data``, ``models`` and ``rows`` are by task: its examples, its own model with the shared layers in it, its training items.
    ``model`` is all of these models as one, ``task`` all tasks as one, and ``train`` the items of those that have some of their own,
    one after the other. ``shared`` says of each of the others how many of its items are learned in the passes of another task.
    """

    recipe: Recipe
    data: Mapping[str, Data]
    models: Mapping[str, Model]
    rows: Mapping[str, Encoded]
    model: Model
    task: Mixture
    train: Encoded
    shared: Mapping[str, int]

    @property
    def judged(self) -> dict[str, Recipe]:
        """The tasks that are judged and exported."""
        return {name: part for name, part in self.recipe.tasks.items() if not part.membership.auxiliary}

    @property
    def judged_data(self) -> dict[str, Data]:
        """Their data."""
        return {name: self.data[name] for name in self.judged}

    @property
    def mixed(self) -> MixedRows:
        """The rule by which rows are drawn, as the innermost strategy."""
        assert self.recipe.mixing is not None
        return MixedRows(self.recipe.mixing, self.recipe.training.batch_size)

    @property
    def strategies(self) -> list[Strategy]:
        """Those of all tasks, and those of each; ``mixed`` comes after them."""
        own, groups = list[Strategy](), 0
        for number, (name, member) in enumerate(self.task.members.items()):
            if strategies := self.recipe.tasks[name].membership.strategies:
                own.append(OfTask(name, number, strategies, member, self.rows[name], groups))
            groups += len(self.rows[name].groups)
        return [*self.recipe.strategies, *own]

    def place(self, row: int) -> tuple[str, int] | None:
        """The file and line of a training row, by its number among those of all tasks."""
        for data in (self.data[name] for name in self.task.members):
            if 0 <= row < len(data.train):
                return data.train.place(row)
            row -= len(data.train)
        return None

    def notes(self) -> list[str]:
        """Lines for the user: what each task found in its data, and how often its rows will be met."""
        batch, training = self.recipe.training.batch_size, self.recipe.training
        steps = training.steps or max(1, round(training.epochs * -(-len(self.train) // batch)))
        sizes = {name: member.items for name, member in self.task.members.items()}
        counts = self.mixed.rule.counts(sizes, batch, steps, training.seed).sum(axis=0)
        drawn = dict(zip(sizes, counts.tolist(), strict=True))
        met = [f"{name} {count / steps:.3g} (each {count / sizes[name]:.3g} times in all)" for name, count in drawn.items()]
        found = [f"{name}: {note}" for name, data in self.data.items() for note in data.notes]
        mixed = f"mixing by {self.mixed.rule.by}: rows of {', '.join(met)} in a step of {batch}"
        return [*found, mixed, *self._shared(), *self._singles()]

    def _shared(self) -> list[str]:
        """A line on each task that learns from the passes of another."""
        found = []
        for name, learned in self.shared.items():
            host, own = self.recipe.tasks[name].membership.same_pass_as, len(self.rows[name])
            line = f"{name}: {learned:,} of its {own:,} items have the tokens of one of {host}, and are learned in the same passes"
            others = f"the {own - learned:,} others are" if own - learned > 1 else "the 1 other is"
            found.append(line + (f"; {others} NOT learned from" if learned < own else ""))
        return found

    def _singles(self) -> list[str]:
        """A line on the tasks that are trained alone too, where there are any."""
        if not self.recipe.single_task:
            return []
        names, gone = recipes_of(self.recipe)
        without = f", without {' and '.join(gone)}" if gone else ""
        return [f"single_task: {' and '.join(names)} are then trained alone too{without}, which takes about as long again"]


def prepare(recipe: Recipe, say: Say) -> Prepared:
    """Read the data of all tasks, build the model of each, and make them one. Raises ``InputError`` with what is wrong in any task."""
    data: dict[str, Data] = {}
    models: dict[str, Model] = {}
    with each() as trying:
        for name, part in recipe.tasks.items():
            with trying(name), placing(part):
                data[name] = load(part.data, part.task, part.seed, part.base_folder)
    check_judged(recipe, any(own.validation is not None for own in data.values()))
    with each() as trying:
        for name, part in recipe.tasks.items():
            with trying(name), placing(part):
                models[name] = built(part, recipe, models, say)
    rows = {name: encode(data[name].train, part.task, models[name].tokenizer) for name, part in recipe.tasks.items()}
    members = {}
    for name, part in recipe.tasks.items():
        own = models[name]
        members[name] = Member(part.task, own.tokenizer, len(rows[name]), part.membership.weight, worth(part.task, rows[name], own))
    hosts, items = sharing(recipe, members, rows)
    task = Mixture(hosts)
    check_watch(recipe, task)
    made = Prepared(recipe, data, models, rows, one_of(models), task, Encoded.join(items, PLACE), shared_items(hosts, items))
    check_shared(made)
    return made


def sharing(recipe: Recipe, members: Mapping[str, Member], rows: Mapping[str, Encoded]) -> tuple[dict[str, Member], dict[str, Encoded]]:
    """The tasks that have items of their own, with those as guests that learn from their passes, and these items."""
    hosts: dict[str, Member] = {}
    items: dict[str, Encoded] = {}
    with each() as trying:
        for name, member in members.items():
            if recipe.tasks[name].membership.same_pass_as:
                continue
            guests = {other: members[other] for other, part in recipe.tasks.items() if part.membership.same_pass_as == name}
            with trying(name):
                items[name] = joined(rows[name], {guest: rows[guest] for guest in guests}) if guests else rows[name]
            hosts[name] = replace(member, guests=guests)
    return hosts, items


def shared_items(hosts: Mapping[str, Member], items: Mapping[str, Encoded]) -> dict[str, int]:
    """How many items of each guest are learned."""
    found = {}
    for name, member in hosts.items():
        for bit, guest in enumerate(member.guests):
            found[guest] = int((items[name].numbers(GUESTS) >> bit & 1).sum())
    return found


def check_shared(made: Prepared) -> None:
    """Raise ``InputError`` where a task cannot learn from the passes of another after all: by its model, or by what it reads."""
    before = 0
    for name, member in made.task.members.items():
        for guest in member.guests:
            if missing := made.model.module.lacking(name, guest):  # type: ignore[operator]
                message = f"tasks.{guest} cannot share passes with {name}, whose model has no {' and '.join(missing)}"
                remedy = f"Turn them round: {name} with same_pass_as: {guest}"
                raise InputError(Problem(message, remedy, key=f"tasks.{guest}.same_pass_as"))
        if member.guests:
            made.task.collate([made.train[before]], member.tokenizer)
        before += member.items


@contextmanager
def each() -> Iterator[Callable[[str], Any]]:
    """Try the same for several tasks: what is wrong with any of them is told at once, with the task's name."""
    problems: list[Problem] = []

    @contextmanager
    def trying(name: str) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            problems.extend(replace(problem, message=f"task {name}: {problem.message}") for problem in error.problems)

    yield trying
    if problems:
        raise InputError(*problems)


def built(part: Recipe, recipe: Recipe, before: Mapping[str, Model], say: Say) -> Model:
    """The model of one task. A head that was pre-trained, to write above all, is one for all tasks that want it."""
    torch.manual_seed(seed_of(recipe.seed, "head"))
    model = build_for(part.task, recipe.model_spec, say)
    if hasattr(model.module, "peft_config"):
        raise InputError("several tasks cannot begin with an adapter", remedy="Merge it into its base first")
    head = part.task.head()
    if not model.fresh and "id2label" not in head.config:
        alike = (name for name, other in recipe.tasks.items() if name in before and other.task.head() == head)
        if (name := next(alike, None)) is not None:
            model.module = before[name].module
            part.task.meet(model.module, model.tokenizer)
    return model


def one_of(models: Mapping[str, Model]) -> Model:
    """The models of all tasks as one."""
    first = next(iter(models.values()))
    new = {id(weight) for model in models.values() for name, weight in model.module.named_parameters() if name in model.fresh}
    module = share({name: model.module for name, model in models.items()})
    heads = [f"{name} ({type(model.module).__name__}{', new' if model.fresh else ''})" for name, model in models.items()]
    about = f"{first.about.partition('; ')[0]}; one trunk with the heads of {', '.join(heads)}"
    return Model(module, first.tokenizer, first.source, about, tuple(n for n, weight in module.named_parameters() if id(weight) in new))


@torch.no_grad()
def worth(task: Task, rows: Encoded, model: Model) -> float:
    """What an item counts on average in the loss of a task: 1 where it is a row, some dozens where it has a tag for each token."""
    some = np.argsort(rows.lengths, kind="stable")[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)]
    where = device()
    forward = Forward(model.module.to(where).eval(), where)
    count = 0.0
    for chosen in length_batches(rows.lengths[some], TOKENS):
        batch = task.collate([rows[item] for item in some[chosen].tolist()], model.tokenizer).to(where)
        count += task.objective(batch, forward).count
    return count / len(some) or 1.0
