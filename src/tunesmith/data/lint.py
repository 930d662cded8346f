"""A look at data that can be used but may not be what one thinks: leakage, odd labels, duplicates, odd lengths."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.words import counted
from tunesmith.data.examples import Examples, duplicate_keys, labelled
from tunesmith.data.load import Data
from tunesmith.data.split import digests, labels_of

SHOWN = 3  # places and labels named in a finding
FEW = 5  # training rows below which a label is hard to learn
SKEWED = 20  # how many times the rows of the rarest label the most frequent one may have
LEARNED = ("train", "validation")  # splits that a model is made by, in which no row to judge by may be
LONG = 20  # how many times the median length a text may have


@dataclass(frozen=True)
class Finding:
    """Something odd that ``count`` rows of a split show, the first of them at ``places`` (``file:line``).

    ``kind``  leakage, one_class, few_rows, imbalance, unjudged, contradictions, duplicates, wordless, long, skipped or untested
    """

    kind: str
    split: str
    count: int
    message: str
    remedy: str
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" ({', '.join(self.places)}{', ...' if self.count > len(self.places) else ''})" if self.places else ""
        return f"{self.split}: {self.message}{where}. {self.remedy}."


class _Look:
    """What is looked at in one split, an item per row: hash and length of the text, whether it has no word, and labels if any."""

    def __init__(self, split: str, examples: Examples) -> None:
        self.split, self.rows = split, examples.rows
        lengths, wordless = array("q"), bytearray()

        def seen() -> Iterator[str]:
            for text in duplicate_keys(self.rows, examples.task):
                lengths.append(len(text))
                wordless.append(not any(map(str.isalnum, text)))
                yield text

        self.digests = digests(seen())
        self.lengths, self.wordless = np.array(lengths), np.array(wordless)
        role = labelled(self.rows, examples.task)
        self.labels = labels_of(self.rows.each(role)) if role else None

    def finding(self, kind: str, rows: np.ndarray, message: str, remedy: str) -> Iterator[Finding]:
        """A finding about ``rows`` (indices), where there are any; ``message`` goes on after their number."""
        if len(rows):
            places = tuple("{}:{}".format(*self.rows.place(int(row))) for row in rows[:SHOWN])
            yield Finding(kind, self.split, len(rows), f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'} {message}", remedy, places)


def lint(data: Data) -> list[Finding]:
    """Everything odd in the data of a run, the gravest first."""
    looks = [_Look(split, examples) for split, examples in (data.splits() | data.tests).items()]
    findings = [*_leakage(looks), *_labels(looks)]
    for look in looks:
        findings += [*_contradictions(look), *_duplicates(look), *_lengths(look)]
    if data.skipped:
        places = tuple(f"{problem.file}:{problem.line}" for problem in data.skipped[:SHOWN])
        message = f"{counted(len(data.skipped), 'bad row')} left out"
        findings.append(Finding("skipped", "data", len(data.skipped), message, "Mend them to use them", places))
    return findings


def untested(data: Data) -> list[Finding]:
    """That a model will be judged on the rows that it was trained on, where no others are there."""
    if data.test is not None or data.validation is not None:
        return []
    message = "the model will be judged on rows that it was trained on: its scores will say nothing about new data"
    return [Finding("untested", "train", len(data.train), message, "Give data.validation or data.test")]


def _leakage(looks: Sequence[_Look]) -> Iterator[Finding]:
    for number, judged in enumerate(looks):
        for other in (look for look in looks[:number] if look.split in LEARNED):
            rows = np.flatnonzero(np.isin(judged.digests, other.digests))
            yield from judged.finding(
                "leakage", rows, f"also in {other.split}, so scores will be too good", "Remove them from one of the two"
            )


def _labels(looks: Sequence[_Look]) -> Iterator[Finding]:
    train = looks[0]
    if train.labels is None:
        return
    counts = Counter(label for row in train.labels for label in row)
    (top, most), (rarest, least) = counts.most_common()[0], counts.most_common()[-1]
    few = sorted(label for label, count in counts.items() if count < FEW)
    if len(counts) == 1:
        yield Finding("one_class", "train", most, f"the only label is '{top}', so there is nothing to learn", "Add rows with another label")
    if few:
        rows = sum(counts[label] for label in few)
        yield Finding(
            "few_rows", "train", rows, f"fewer than {FEW} rows have the label {_some(few)}", "Add rows, or expect little for them"
        )
    elif most > SKEWED * least:
        message = f"{most:,} rows have the label '{top}' and {least:,} '{rarest}'"
        yield Finding("imbalance", "train", least, message, "Weigh the labels, and look at macro averages rather than at accuracy")
    for look in looks[1:]:
        missing = sorted(set(counts) - {label for row in look.labels or [list(counts)] for label in row})
        if missing:
            yield Finding(
                "unjudged", look.split, len(missing), f"no row has the label {_some(missing)}", "Add some, or nothing is known of it"
            )


def _contradictions(look: _Look) -> Iterator[Finding]:
    if look.labels is None:
        return
    sets: dict[tuple[str, ...], int] = {}
    labels = np.array([sets.setdefault(tuple(sorted(of_row)), len(sets)) for of_row in look.labels])
    _, first, text = np.unique(look.digests, return_index=True, return_inverse=True)
    rows = np.flatnonzero(np.isin(text, text[labels != labels[first][text]]))
    yield from look.finding("contradictions", rows, "with the same text have different labels", "Decide for one label")


def _duplicates(look: _Look) -> Iterator[Finding]:
    _, first = np.unique(look.digests, return_index=True)
    rows = np.setdiff1d(np.arange(len(look.digests)), first)
    verb = "repeats" if len(rows) == 1 else "repeat"
    yield from look.finding("duplicates", rows, f"{verb} an earlier one", "Remove them, unless they are meant")


def _lengths(look: _Look) -> Iterator[Finding]:
    yield from look.finding("wordless", np.flatnonzero(look.wordless), "without a word or a number", "Remove them")
    median = float(np.median(look.lengths))
    message = f"longer than {LONG} times the median of {median:,.0f} characters"
    yield from look.finding("long", np.flatnonzero(look.lengths > LONG * median), message, "Check that each is one text")


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:SHOWN]) + (f" and {len(labels) - SHOWN:,} more" if len(labels) > SHOWN else "")
