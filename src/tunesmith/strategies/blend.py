"""Blend: how often rows of each source come moves from one mixture to another as training goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.clock import Clock, Span
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import ORDER, Rows, Strategy
from tunesmith.data.columns import meant
from tunesmith.data.groups import groups_of, names_of
from tunesmith.data.mixing import Draws, drawn

Shares = npt.NDArray[np.float64]


@dataclass
class Blend(Strategy):
    """Draws the rows of each step from several sources, with shares that move from one mixture to another over the run.

    Formula: p(t) = (1 - a) first + a last, a = (t - start) / (until - start) kept between 0 and 1; start and until alike is a step. The
    source of a row is its value in the column that data.columns: {group: COLUMN} names.
    Use when: much is there of one kind (web pages, another domain, made up rows), little of the kind that counts: begin with the first
    and end with the second, without forgetting at once what the first teaches.
    Cost: memory x1, time x1.
    Source: Xu et al. 2021, "Gradual Fine-Tuning for Low-Resource Domain Adaptation", arXiv:2103.02205, where rows of the other domain
    become fewer from stage to stage; at a step: Parmar et al. 2024, "Reuse, Don't Retrain: A Recipe for Continued Pretraining of Language
    Models", arXiv:2407.07263; for the end of pre-training: Blakeney et al. 2024, "Does your data spark joy?", arXiv:2406.03476.
    Differs: shares move with each step, and a step holds its share of each source to within two rows. Each source goes through its own rows
    again and again, so a rare one comes more often than once an epoch.
    """

    first: dict[str, float] = setting(
        factory=dict,
        text="share of each source at first, of any sum: {web: 9, medical: 1}; one left out has none; as the rows are when absent",
        low=0,
    )
    last: dict[str, float] = setting(factory=dict, text="share of each source in the end, likewise", low=0)
    start: Span = setting(Span(0, "%"), "time until which the first mixture holds")
    until: Span = setting(Span(100, "%"), "time from which the last one holds")

    owns: ClassVar[frozenset[str]] = frozenset({ORDER})
    shardable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if bad := [name for name in ("first", "last") if getattr(self, name) and not sum(getattr(self, name).values())]:
            raise InputError(*(Problem(f"blend: no source has a share in {name}", "Give one above 0", key=name) for name in bad))

    @classmethod
    def example(cls) -> Blend:
        return cls(first={"0": 0.9, "1": 0.1}, last={"0": 0.1, "1": 0.9})

    def begin(self, run: Run) -> None:
        if not run.train or not (self.first or self.last):
            return
        start, until = self.start.steps(run.clock), self.until.steps(run.clock)
        if start > until:
            raise InputError(Problem(f"blend: start is step {start}, after until, step {until}", "Write the earlier time as start"))
        groups = groups_of(run.train, "blend")
        names = names_of(run.train, groups)
        ends = [mixture_of(given, names, groups, where) for given, where in ((self.first, "first"), (self.last, "last"))]
        moves = [f"{name} {before:.0%} to {after:.0%}" for name, before, after in zip(names, *ends, strict=True)]
        run.say(f"blend: {', '.join(moves)} of the rows of a step, from step {start} to {until}")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        if not (self.first or self.last):
            yield from batches
            return
        groups = groups_of(run.train, "blend")
        names = names_of(run.train, groups)
        first, last = (mixture_of(given, names, groups, "") for given in (self.first, self.last))
        shares = moved(first, last, (self.start.steps(run.clock), self.until.steps(run.clock)), run.clock)
        size = most_rows(len(run.train), run.clock)
        draws = Draws([np.flatnonzero(groups == number) for number in range(len(names))], drawn(shares, size, run.seed), run)
        for given in batches:
            step = run.clock.step
            kept = np.random.default_rng(seed_of(run.seed, "blend", step)).permutation(size)[: len(given)]
            rows = draws.rows(step)
            yield [run.train[rows[place]] for place in np.sort(kept).tolist()]


def mixture_of(given: Mapping[str, float], names: Sequence[str], groups: npt.NDArray[np.int64], where: str) -> Shares:
    """The share of each source in ``names``, (sources,), sum 1; as the rows are where none is given. Unknown ones are refused."""
    if unknown := [name for name in given if name not in names]:
        remedies = [meant(name, names) or f"The sources are {', '.join(names[:20])}" for name in unknown]
        told = zip(unknown, remedies, strict=True)
        raise InputError(*(Problem(f"blend: no row is of the source '{name}' in {where}", remedy) for name, remedy in told))
    weights = np.array([given.get(name, 0.0) for name in names]) if given else np.bincount(groups, minlength=len(names)).astype(float)
    return np.asarray(weights / weights.sum())


def moved(first: Shares, last: Shares, between: tuple[int, int], clock: Clock) -> Shares:
    """The shares at every step of a run, (steps, sources): ``first`` up to the one step of ``between``, ``last`` from the other on."""
    start, until = between
    way = np.clip((np.arange(clock.total) - start) / max(until - start, 1), 0, 1) if until > start else np.arange(clock.total) >= start
    return np.asarray(first + (last - first) * np.asarray(way, float)[:, None])


def most_rows(rows: int, clock: Clock) -> int:
    """As many rows as a step may have with so many steps in an epoch."""
    return rows if clock.steps_per_epoch == 1 else math.ceil(rows / (clock.steps_per_epoch - 1)) - 1
