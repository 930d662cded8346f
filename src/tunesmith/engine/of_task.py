"""Strategies of one task among several: they see its rows and its loss, as if it were trained alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import GUESTS, PLACE, Member, through
from tunesmith.core.run import Run
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Row
from tunesmith.data.columns import GROUP
from tunesmith.data.encode import Encoded, numbers_of
from tunesmith.engine.stack import Stack, overrides

WHOLE = ("adapt", "plan", "gradient", "finished", "settle")  # seams at which there is one model, whatever the number of tasks


def is_for_one(strategy: Strategy) -> bool:
    """Whether a strategy may be that of one task among several: it changes rows and losses alone."""
    return strategy.objective is None and not overrides(strategy, WHOLE)


class OfTask(Strategy):
    """The strategies of task ``name``, number ``number`` of a mixture, as one.

    Rows and groups have the numbers in it that they have in ``rows``, the items of the task alone; ``groups`` are those of the tasks
    before. What it adds to the loss of a step is weighed as the task is.
    """

    def __init__(self, name: str, number: int, strategies: Sequence[Strategy], member: Member, rows: Encoded, groups: int = 0) -> None:
        self.name, self._number, self._member = name, number, member
        self._rows, self._groups = rows, groups
        self._key = f"tasks.{name}.strategies"
        self._stack = stack = Stack(strategies, member.task)
        self._view: Any = None
        self.strategies = stack.strategies
        self.compares, self.perturbs = stack.compares, stack.perturbs  # type: ignore[misc]
        self.rewrites, self.all_tokens = stack.rewrites, stack.all_tokens  # type: ignore[misc]
        self.shardable, self.natural_rate = not stack.unshardable, stack.natural_rate  # type: ignore[misc]

    def memory(self) -> dict[str, Any]:
        return {"strategies": self._stack.memory()}

    def recall(self, memory: dict[str, Any]) -> None:
        self._stack.recall(memory["strategies"])

    def begin(self, run: Run) -> None:
        rows = numbers_of(run.train, "row")
        own = np.flatnonzero(numbers_of(run.train, PLACE) == self._number)
        self._first, self._all = int(rows[own].min(initial=len(run.train))), int(rows.max(initial=-1)) + 1
        self._items = self._rows
        if len(own) < len(self._rows):  # a few of them are looked at, before training
            self._items = Encoded([[self._inwards(run.train[place]) for place in own.tolist()]] if len(own) else [])
        self._count = int(self._items.rows.max(initial=-1)) + 1
        head = through(self.name, run.forward).module
        names = {id(weight): name for name, weight in head.named_parameters()}
        self.names = {name: names[id(weight)] for name, weight in run.model.named_parameters() if id(weight) in names}
        self._params = {own: replace(run.params[name], name=own) for name, own in self.names.items() if name in run.params}
        self._stack.begin(self._seen(run))

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        waiting: list[Rows] = []
        changed = self._stack.feed(iter(waiting.pop, None), self._seen(run))
        for rows in batches:
            places = [place for place, row in enumerate(rows) if row[PLACE] == self._number]
            if not places:
                yield rows
                continue
            self._seen(run)
            waiting.append([self._inwards(rows[place]) for place in places])
            own, others = [self._outwards(row) for row in next(changed)], [row for row in rows if row[PLACE] != self._number]
            yield [*others[: places[0]], *own, *others[places[0] :]]

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        if batch.notes.get(PLACE) != self.name:
            return inner(batch)

        def of_all(own: Batch) -> Loss:
            return inner(replace(own, rows=self._to_all(own.rows), notes={**own.notes, PLACE: self.name, GUESTS: ()}))

        return self._stack.loss(replace(batch, rows=self._to_own(batch.rows)), self._seen(run), of_all)

    def step(self, run: Run, inner: Callable[[], None]) -> None:
        self._stack.step(self._seen(run), inner)

    def _seen(self, run: Run) -> Run:
        """The run as it is now, as the task sees it: one object for the whole run."""
        forward = through(self.name, run.forward)
        own = {self.names[name]: rule for name, rule in run.rules.items() if name in self.names}
        fixed = frozenset(self.names[name] for name in run.fixed if name in self.names)
        seen = replace(
            run,
            model=forward.module,
            task=self._member.task,
            forward=forward,
            tokenizer=self._member.tokenizer,
            train=self._items,
            params=self._params,
            rules=own,
            fixed=fixed,
            say=lambda line: run.say(f"{self.name}: {line}"),
        )
        if self._view is None:
            self._view = seen
        vars(self._view).update(vars(seen))
        return self._view  # type: ignore[no-any-return]

    def _inwards(self, row: Row) -> Row:
        """A row of all as the task alone has it."""
        own = {feature: value for feature, value in row.items() if feature != PLACE}
        own["row"] -= self._first
        return own | ({GROUP: own[GROUP] - self._groups} if GROUP in own else {})

    def _outwards(self, row: Row) -> Row:
        """A row of the task alone, or one that a strategy brings, as a row of all."""
        number = {"row": int(self._to_all(torch.tensor(row["row"])))} if "row" in row else {}
        return {**row, PLACE: self._number, **number, **({GROUP: row[GROUP] + self._groups} if GROUP in row else {})}

    def _to_all(self, rows: Tensor) -> Tensor:
        """Numbers of rows among those of all tasks; what a strategy brings comes after all of them."""
        return torch.where(rows < 0, rows, torch.where(rows < self._count, rows + self._first, rows - self._count + self._all))

    def _to_own(self, rows: Tensor) -> Tensor:
        """The other way round."""
        return torch.where(rows < 0, rows, torch.where(rows < self._all, rows - self._first, rows - self._all + self._count))
