"""Items of several tasks that read the same tokens, as items of one, so that the layers are computed once for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.mixture import GUESTS, MARK
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded
from tunesmith.data.text import MODEL_INPUTS

SAME = (*MODEL_INPUTS, "length", "row", "truncated")  # what an item has from its task, and its guests need not bring
CHUNK = 1000


def joined(own: Encoded, guests: Mapping[str, Encoded]) -> Encoded:
    """The items of a task, each with the features of the items of its ``guests`` that have the same tokens, as ``NAME/feature``.

    ``guests`` in each says for which of them there is one: 1 for the first, 2 for the second, 4... Of several items with the same tokens
    the first goes with the first. Raises ``InputError`` for a guest none of whose items has the tokens of another's.
    """
    found = {name: _pairs(own, other) for name, other in guests.items()}
    problems = [
        Problem(
            f"tasks.{name} shares no pass: none of its texts has the tokens of one of the other task",
            "Give both the same texts and the same max_length, or take out same_pass_as",
            key=f"tasks.{name}.same_pass_as",
        )
        for name, pairs in found.items()
        if not pairs
    ]
    if problems:
        raise InputError(*problems)
    marks = np.array([sum(1 << bit for bit, pairs in enumerate(found.values()) if item in pairs) for item in range(len(own))], np.int64)
    order = np.argsort(-marks, kind="stable")  # a chunk has the same features in all its items

    def item(place: int) -> Row:
        mine = {name: value for name, value in own[place].items() if name != "row"} | {GUESTS: int(marks[place])}
        for name, pairs in found.items():
            if place in pairs:
                theirs = guests[name][pairs[place]]
                mine |= {f"{name}{MARK}{feature}": value for feature, value in theirs.items() if feature not in SAME}
        return mine

    def chunks() -> Iterator[Sequence[Row]]:
        for mark in sorted(set(marks.tolist()), reverse=True):
            places = order[marks[order] == mark].tolist()
            for start in range(0, len(places), CHUNK):
                yield [item(place) for place in places[start : start + CHUNK]]

    whole = Encoded(chunks())
    whole.rows, whole.examples, whole.groups, whole.truncated = own.rows[order], own.examples, own.groups, own.truncated
    return whole


def _pairs(own: Encoded, other: Encoded) -> dict[int, int]:
    """The places of items with the same tokens in both, by those in the first."""
    known: dict[bytes | None, list[int]] = {}
    for place in range(len(other) - 1, -1, -1):
        known.setdefault(_tokens(other[place]), []).append(place)
    known.pop(None, None)
    return {place: left.pop() for place in range(len(own)) if (left := known.get(_tokens(own[place])))}


def _tokens(item: Row) -> bytes | None:
    """What stands for the tokens of an item and their types, absent types being 0; None for an item without tokens."""
    if "input_ids" not in item:
        return None
    ids = np.asarray(item["input_ids"], np.int64)
    types = np.asarray(item.get("token_type_ids", np.zeros(len(ids))), np.int64)
    return np.concatenate([ids, types]).tobytes()
