"""All data of a run: read, mapped, split and checked before any model is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.errors import InputError, Problem, concerning
from tunesmith.core.task import Task
from tunesmith.core.words import counted
from tunesmith.data.collect import collecting
from tunesmith.data.columns import GROUP, describe, meant
from tunesmith.data.duplicates import repeated
from tunesmith.data.examples import Examples, checked, duplicate_keys, in_order, inputs, labelled, read_roles, relabelled, truths
from tunesmith.data.labels import names_of
from tunesmith.data.rows import Rows
from tunesmith.data.settings import AUTO, HELD_OUT, SPLITS, DataSettings, share
from tunesmith.data.source import beside
from tunesmith.data.split import digests, few, hold_out, keys_of, labels_of, strata_of
from tunesmith.data.tagged import kinds_in

__all__ = ["Data", "Examples", "load"]


@dataclass(frozen=True)
class Data:
    """The examples of a run and how they came about.

    ``columns``      the header of each role in the training file
    ``skipped``      what is wrong with the rows that were left out
    ``notes``        lines for the user: columns, sizes, what was held out or found
    ``fingerprint``  SHA-256 of all values used, by split and role
    ``tests``        further rows to judge by, by name
    """

    train: Examples
    validation: Examples | None
    test: Examples | None
    columns: dict[str, str]
    skipped: list[Problem]
    notes: list[str]
    fingerprint: str
    tests: dict[str, Examples] = field(default_factory=dict)

    def splits(self) -> dict[str, Examples]:
        """The splits there are, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in named.items() if examples is not None}

    def judged(self) -> dict[str, Examples]:
        """The rows by which a run is judged, by name: of test, or of validation, or of those it learns from; then further tests."""
        return dict([list(self.splits().items())[-1]]) | self.tests


def load(settings: DataSettings, task: Task, seed: int, base: Path | None = None) -> Data:
    """Read every split, hold out what is to be held out, let the task learn its labels from the training rows, and check every row.

    Paths start from ``base``. Raises ``InputError`` with all problems of all files that this stage can see.
    """
    with concerning("data"):
        return _loaded(_Loading(settings, task, seed, base), task)


def _loaded(loading: _Loading, task: Task) -> Data:
    loading.read()
    try:
        loading.name_labels()
        for split in ("test", "validation"):  # the test rows of a recipe stay what they are when the share for validation changes
            loading.hold_out(split)
        loading.deduplicate()
        loading.notes += task.learn(loading.rows["train"])
    except InputError as error:
        if loading.bad and loading.settings.on_bad_row == "stop":  # rows that are missing may be why the others are too few, or alike
            raise InputError(*in_order(loading.bad)) from None
        raise InputError(*in_order(loading.bad), *error.problems) from None
    loading.pick()
    loading.cut()
    return loading.check()


class _Loading:
    """The splits while they are read: ``rows`` and ``headers`` by split, ``shares`` of those that are still to be held out."""

    def __init__(self, settings: DataSettings, task: Task, seed: int, base: Path | None) -> None:
        self.settings, self.task, self.base = settings, task, base
        self.seed = seed if settings.split_seed is None else settings.split_seed
        self.rows: dict[str, Rows] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.shares: dict[str, float] = {}
        self.bad: list[Problem] = []
        self.notes: list[str] = []
        self.total = 0  # training rows before any are held out

    def read(self) -> None:
        """Read the files of all splits."""
        problems: list[Problem] = []
        for split, spec in self._specs(problems).items():
            with collecting(problems), concerning(f"data.{split if split in SPLITS else f'tests.{split}'}"):
                grouped, columns = split == "train", self.settings.columns
                self.rows[split], self.headers[split], bad = read_roles(spec, self.task, columns, base=self.base, grouped=grouped)
                self.bad += bad
        if problems:
            raise InputError(*problems)
        named = [f"{split} {describe(found)}" for split, found in self.headers.items() if found != self.headers["train"]]
        self.notes = [describe(self.headers["train"]), *named, *self.notes]
        if without := [split for split, found in self.headers.items() if GROUP not in found and GROUP in self.headers["train"]]:
            self.notes.append(f"groups: {' and '.join(without)} has no column '{self.settings.columns[GROUP]}'")
        self.total = len(self.rows["train"])

    def _specs(self, problems: list[Problem]) -> dict[str, Any]:
        """What to read for each split; notes what is found beside the training data, and the shares to be held out of them."""
        specs: dict[str, Any] = {"train": self.settings.train}
        for split, given in (("validation", self.settings.validation), ("test", self.settings.test)):
            if given is None:
                continue
            if isinstance(given, str) and given == AUTO:
                specs |= self._automatic(split)
                continue
            with collecting(problems):
                if (part := share(given, split)) is None:
                    specs[split] = given
                else:
                    self.shares[split] = part
        if sum(self.shares.values()) >= 1:
            problems.append(Problem("validation and test take all rows", "Hold out less", key="data"))
        return specs | self.settings.tests

    def _automatic(self, split: str) -> dict[str, Any]:
        """What lies beside the training data for a split; else a share of them validates."""
        found = beside(self.settings.train, split, self.base)
        if found is None:
            self.shares |= {"validation": HELD_OUT} if split == "validation" else {}
            return {}
        self.notes.append(f"{split}: {', '.join(found) if isinstance(found, list) else found} (found beside the training data)")
        return {split: found}

    def name_labels(self) -> None:
        """Replace the values of truth columns by the names that the settings give them."""
        labels = {names_of(value)[0]: name for value, name in self.settings.labels.items()}
        if not labels:
            return
        train = self.rows["train"]
        values = [value for role in truths(train, self.task) for value in train.column(role)]
        present = {name for value in values for name in names_of(value)}
        if absent := [value for value in labels if value not in present]:
            remedy = f"The values are {', '.join(sorted(present)[:20])}"
            message = "no training row has this label"
            raise InputError(*(Problem(message, meant(value, present) or remedy, key=f"data.labels.{value}") for value in absent))
        self.rows = {split: relabelled(rows, self.task, labels) for split, rows in self.rows.items()}

    def hold_out(self, split: str) -> None:
        """Take the share of a split out of the training rows."""
        if split not in self.shares:
            return
        train, part = self.rows["train"], self.shares[split]
        role = labelled(train, self.task)
        labels = labels_of(train.each(role)) if role else None
        strata, kinds = strata_of(labels) if labels else None, labels or self._tags()
        fraction = part * self.total / len(train)
        groups = [column.role for column in self.task.columns() if column.group and column.role in train.columns]
        held, of = hold_out(keys_of(train, groups), None, fraction, self.seed, kinds), " and ".join(groups)
        if not groups or held.sum() < fraction * len(train) / 2:  # groups that are too few or too large are parted
            held, of = hold_out(duplicate_keys(train, self.task), strata, fraction, self.seed, kinds), self._asked()
        if not held.any():
            why, remedy = self._alike()
            message = f"{100 * part:g}% of {counted(self.total, 'training row')} leaves nothing for {split}{why}"
            raise InputError(Problem(message, f"{remedy}Give more rows, or a {split} file", *train.place(0)[:1]))
        self.rows["train"], self.rows[split] = train.select(np.flatnonzero(~held)), train.select(np.flatnonzero(held))
        self.headers[split] = self.headers["train"]
        by = f", stratified by {self.headers['train'][role]}" if role and strata and of == self._asked() else ""
        number = counted(held.sum(), "row")
        self.notes.append(f"{split}: {number} ({100 * part:g}% of the training rows), held out by a hash of the {of}{by}")

    def _tags(self) -> list[set[str]] | None:
        """What is tagged in each training row, where the task tags tokens."""
        train = self.rows["train"]
        roles = [column.role for column in self.task.columns() if column.tags and column.role in train.columns]
        return [kinds_in(value) for value in train.each(roles[0])] if roles else None

    def _alike(self) -> tuple[str, str]:
        """Why nothing of the training rows can be held out where they have the same texts, which stay together, and what to do."""
        train = self.rows["train"]
        different = len(set(digests(duplicate_keys(train, self.task)).tolist()))
        if different == len(train):
            return "", ""
        headers = [f"'{self.headers['train'][role]}'" for role in inputs(train, self.task)]
        where = f"in column{'s' if len(headers) > 1 else ''} {' and '.join(headers)}"
        same = "all have the same text" if different == 1 else f"they have only {different:,} different texts"
        return f": {same} {where}", "Name another column under data.columns. "

    def _asked(self) -> str:
        return next((column.role for column in self.task.columns() if column.file), "text")

    def deduplicate(self) -> None:
        """Leave out training rows that repeat others; rows to judge by stay, whatever the training rows are."""
        if self.settings.deduplicate == "none":
            return
        train = self.rows["train"]
        judged = [text for split in self.rows if split != "train" for text in duplicate_keys(self.rows[split], self.task)]
        texts = list(duplicate_keys(train, self.task))
        of_judged, of_earlier = repeated(texts, judged, self.settings.deduplicate)
        if (gone := of_judged | of_earlier).all():
            raise InputError(Problem("every training row repeats one to choose or judge by", "Give other rows", *train.place(0)[:1]))
        self.rows["train"] = train.select(np.flatnonzero(~gone))
        kind = {"exact": "repeat", "near": "near repeat"}[self.settings.deduplicate]
        earlier, judged_too = counted(of_earlier.sum(), kind), counted(of_judged.sum(), kind)
        self.notes.append(f"deduplicate: {earlier} of an earlier training row and {judged_too} of a row of another split left out")

    def pick(self) -> None:
        """Use so many training rows of each label as ``shots`` says: those whose text hashes lowest."""
        train, shots = self.rows["train"], self.settings.shots
        if shots is None:
            return
        role = labelled(train, self.task)
        labels = labels_of(train.each(role)) if role else None
        if labels is None:
            raise InputError(Problem("shots are rows of a label, and the rows have none", "Write max_rows", key="data.shots"))
        order = np.argsort(digests(duplicate_keys(train, self.task), self.seed), kind="stable")
        chosen, counts = few(labels, order.tolist(), shots)
        self.rows["train"] = train.select(np.array(sorted(chosen), np.int64))
        self.notes.append(f"shots: {len(chosen):,} of {len(train):,} training rows are used, {shots} of each of {len(counts):,} labels")
        if short := {label: count for label, count in sorted(counts.items()) if count < shots}:
            self.notes.append("shots: fewer rows have " + ", ".join(f"{label} ({count})" for label, count in short.items()))

    def cut(self) -> None:
        """Use at most ``max_rows`` training rows: those whose text hashes lowest, so that fewer are always among more."""
        train, most = self.rows["train"], self.settings.max_rows
        if most is not None and most < len(train):
            order = np.argsort(digests(duplicate_keys(train, self.task), self.seed), kind="stable")
            self.rows["train"] = train.select(np.sort(order[:most]))
            self.notes.append(f"max_rows: {most:,} of {len(train):,} training rows are used")

    def check(self) -> Data:
        """Let the task read every row."""
        examples: dict[str, Examples] = {}
        for split, rows in self.rows.items():
            examples[split], problems = checked(rows, self.task, self.headers[split])
            self.bad += problems
        bad = in_order(self.bad)
        gone = [Problem(f"no row of {split} can be used", "Mend the rows above") for split, left in examples.items() if not left]
        if gone or (bad and self.settings.on_bad_row == "stop"):
            raise InputError(*bad, *gone)
        for split in (split for split in examples if split != "train"):
            with concerning(f"data.{split if split in SPLITS else f'tests.{split}'}"):
                self.task.check_judged(examples[split])
        order = [*(split for split in SPLITS if split in examples), *self.settings.tests]
        sizes = ", ".join(f"{split} {len(examples[split]):,}" for split in order)
        self.notes.append(f"rows: {sizes}" + (f"; {counted(len({(p.file, p.line) for p in bad}), 'bad row')} left out" if bad else ""))
        return Data(
            train=examples["train"],
            validation=examples.get("validation"),
            test=examples.get("test"),
            columns=self.headers["train"],
            skipped=bad,
            notes=self.notes,
            fingerprint=fingerprint(examples),
            tests={name: examples[name] for name in self.settings.tests},
        )


def fingerprint(examples: Mapping[str, Examples]) -> str:
    """SHA-256 of all values by split and role, as JSON texts; it does not depend on files, formats or column names."""
    digest = hashlib.sha256()
    for split in sorted(examples):
        digest.update(split.encode())
        for block in examples[split].rows.blocks():
            digest.update(json.dumps(block, sort_keys=True, default=str).encode())
    return digest.hexdigest()
