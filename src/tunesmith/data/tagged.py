"""Rows of tokens with tags, in every form that files have them: lists, cells parted by blanks, and entities in characters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row, RowError
from tunesmith.data.labels import SHOWN, count, names_of, nearest, place_of
from tunesmith.data.tagging import (
    OUTSIDE,
    check,
    check_written,
    entities_of,
    entity_tags,
    kind_in,
    labels_of,
    parts_of,
    same_names,
    scheme_of,
)
from tunesmith.data.tokens import Tokens, listed, parted, parting_of, tokens_of


@dataclass(frozen=True)
class Tagged:
    """How rows are read: the ``scheme`` of their tags, the tags, and how a text that comes whole is parted."""

    scheme: str
    labels: Sequence[str]
    parting: str

    def read(self, row: Row) -> Row:
        """``text``, ``starts`` and ``ends`` of its tokens, and, where the truth is there, ``tags``, as numbers. Raises ``RowError``."""
        truth = truth_of(row["tags"]) if "tags" in row else None
        tokens = self._tokens(row["text"], truth)
        if not len(tokens):
            raise RowError("there are no tokens", "Give a text", "text")
        found: Row = {"text": tokens.text, "starts": tokens.starts, "ends": tokens.ends}
        return found if truth is None else found | {"tags": self._ids(truth, tokens, row["text"])}

    def _tokens(self, value: Any, truth: list[Any] | None) -> Tokens:
        if truth is not None and isinstance(listed(value), str) and not _of_characters(truth, value):
            fitting = (tokens_of(value, parting) for parting in (self.parting, "blanks", "characters"))
            found = {len(tokens): tokens for tokens in reversed(list(fitting))}
            return found.get(len(truth), parted(value, "blanks"))
        return tokens_of(value, self.parting)

    def _ids(self, truth: list[Any], tokens: Tokens, value: Any) -> list[int]:
        if _of_characters(truth, value):
            if self.scheme == "none":
                raise RowError("entities in characters have a scheme, and task.scheme is none", "Set it to bio", "tags")
            if truth and not isinstance(listed(value), str):
                raise RowError("entities in characters need the text in one piece", "Give it, or a tag for each token", "tags")
            names = entity_tags(tokens, entities_of(truth, tokens.text), self.scheme)
        else:
            names = names_of(truth)
            if len(names) != len(tokens):
                message = f"there are {len(tokens)} tokens, and {len(names)} tags"
                raise RowError(message, "Give each token a tag", "tags")
            if not all(names) or None in truth:
                raise RowError("a tag is empty", "Give it, O for a token that is no part of an entity", "tags")
            names = [same_names(name) for name in names] if self.scheme != "none" else names
        places = {name: place_of(name, self.labels) for name in names}
        for name in places:
            check_written(name, self.labels, self.scheme)
        if unknown := [name for name, place in places.items() if place < 0]:
            raise RowError(f"'{unknown[0]}' is not a tag of the training rows", nearest(unknown[0], self.labels), "tags")
        check(names, tokens.words(), self.scheme)
        return [places[name] for name in names]


@dataclass
class Learned:
    """What training rows show: how rows are to be read, and lines for the user."""

    tagged: Tagged
    lines: list[str] = field(default_factory=list)


def learn(rows: Iterable[Row], scheme: str, labels: Sequence[str], parting: str) -> Learned:
    """Take from training rows what is ``auto`` or empty; what is wrong with rows is said later, with its place.

    Raises ``InputError`` where there is nothing to learn.
    """
    texts, sequences, entities, counts = [], [], [], []
    for row in rows:
        with suppress(RowError):
            truth = truth_of(row["tags"])
            in_characters = _of_characters(truth, row["text"])
            texts.append(row["text"])
            counts.append(None if in_characters else len(truth))
            if in_characters:
                with suppress(RowError):
                    entities.append((row["text"], entities_of(truth, row["text"])))
            else:
                sequences.append(names_of(truth))
    kinds = sorted({kind for _, found in entities for _, _, kind in found})
    if scheme == "auto":
        scheme = scheme_of(sequences) if sequences else "bio"
        scheme = "bio" if entities and scheme == "none" and not any(sequences) else scheme
    if parting == "auto":
        parting = "words" if entities else parting_of(texts, counts)
    tags = [*(same_names(tag) for sequence in sequences for tag in sequence), *(f"I-{kind}" for kind in kinds)]
    names = list(count(sequences)) if scheme == "none" else labels_of(tags, scheme)
    found = [*labels] or names
    if len(found) < 2:
        message = f"the only tag of the training rows is '{''.join(found)}', so there is nothing to learn"
        raise InputError(Problem(message, "Add rows with another one, or name another column: data.columns: {tags: ...}", column="tags"))
    return Learned(Tagged(scheme, found, parting), list(_lines(sequences, entities, scheme, parting)))


def most_frequent(sentences: Iterable[tuple[Sequence[str], Sequence[int]]]) -> Callable[[str], int]:
    """The tag that a word has most often in training sentences of words and tags; without case, or of all words, where it is not there."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for words, tags in sentences:
        for word, tag in zip(words, tags, strict=True):
            for known in {word, word.casefold(), ""}:
                counts[known][tag] += 1
    best = {word: min(tags, key=lambda tag: (-tags[tag], tag)) for word, tags in counts.items()}
    return lambda word: best.get(word, best.get(word.casefold(), best[""]))


def truth_of(value: Any) -> list[Any]:
    """The tags or entities in a cell: a list, or texts parted by blanks. Raises ``RowError`` for anything else."""
    found = listed(value)
    if isinstance(found, str):
        found = found.split()
    if not isinstance(found, list):
        raise RowError(f"{value!r} is no list of tags", "Give a tag for each token, or entities with start, end and label", "tags")
    return found


def kinds_in(value: Any) -> set[str]:
    """The tags without their prefixes, or the types of entities, in a cell, as far as it can be read."""
    try:
        return set(map(kind_in, truth_of(value)))
    except RowError:
        return set()


def _of_characters(truth: Sequence[Any], text: Any) -> bool:
    """Whether the truth is entities in characters rather than tags; a text in one piece with an empty list has no entities."""
    return isinstance(truth[0], dict | list | tuple) if truth else isinstance(listed(text), str)


def _lines(sequences: Sequence[Sequence[str]], entities: Sequence[Any], scheme: str, parting: str) -> Iterable[str]:
    counts = Counter(kind for _, found in entities for _, _, kind in found)
    for names in sequences:
        marks = [parts_of(same_names(name)) if scheme != "none" else ("", name) for name in names]
        counts.update(kind for place, (mark, kind) in enumerate(marks) if kind != OUTSIDE and _counts(marks, place, mark, scheme))
    what = "tags of tokens" if scheme == "none" else f"types of entities ({scheme})"
    named = ", ".join(f"{kind} ({number:,})" for kind, number in counts.most_common(SHOWN))
    rest = f" and {len(counts) - SHOWN:,} more" if len(counts) > SHOWN else ""
    yield f"task: {len(counts)} {what}: {named}{rest}"
    widened = sum(_inside(text, found, parting) for text, found in entities)
    if widened:
        yield f"task: {widened:,} entities begin or end inside a token, and get all of it; task.parting: characters avoids that"


def _counts(marks: Sequence[tuple[str, str]], place: int, mark: str, scheme: str) -> bool:
    """Whether a tag counts: each of them without a scheme, else those that begin an entity."""
    begins = not place or marks[place - 1][1] != marks[place][1]
    return scheme == "none" or mark in ("B", "S") or (scheme == "io" and mark == "I" and begins)


def _inside(text: str, entities: Sequence[Any], parting: str) -> int:
    tokens = parted(text, parting)
    starts, ends = set(tokens.starts), set(tokens.ends)
    return sum(first not in starts or last not in ends for first, last, _ in entities)
