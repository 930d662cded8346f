"""Schemes of tags: how the tags of tokens write entities (``B-PER I-PER O``), which tag may follow which, and entities as tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.task import RowError
from tunesmith.data.tokens import Tokens

OUTSIDE = "O"
PREFIXES = {"bio": "BI", "bioes": "BIES", "io": "I", "none": ""}  # scheme -> how its tags begin, in their order
_ALIASES = {"L": "E", "U": "S", "M": "I"}  # of BILOU and BMES
_TAG = re.compile(r"([BIESLUM])-(.+)")
_NAMES = {  # what an entity says -> the keys under which files have it
    "start": ("start", "begin", "start_offset", "start_char"),
    "end": ("end", "stop", "end_offset", "end_char"),
    "label": ("label", "type", "entity", "entity_group", "entity_type", "tag"),
    "text": ("text", "word", "value", "surface"),
}
_SHOWN = 40  # characters of an entity in a message

Entity = tuple[int, int, str]  # first character, the one after the last, type


def parts_of(tag: str) -> tuple[str, str]:
    """Prefix and type of a tag, the names of BILOU and BMES as those of BIOES: ``("B", "PER")``; ``("", tag)`` where it has no prefix."""
    found = _TAG.fullmatch(tag)
    return (_ALIASES.get(found[1], found[1]), found[2]) if found else ("", tag)


def same_names(tag: str) -> str:
    """A tag with the prefix that BIOES has for it: ``S-PER`` for ``U-PER``."""
    prefix, kind = parts_of(tag)
    return f"{prefix}-{kind}" if prefix else tag


def scheme_of(sequences: Iterable[Sequence[str]]) -> str:
    """The scheme in which the tags of most sentences are written; ``none`` where they are no parts of entities.

    ``io`` are the schemes in which an entity may begin with I: B is there for the second of two neighbours of one type, or not at all.
    """
    telling = [[parts_of(tag) for tag in sequence] for sequence in sequences if any(tag != OUTSIDE for tag in sequence)]
    whole = [marks for marks in telling if all(prefix or kind == OUTSIDE for prefix, kind in marks)]
    if 2 * len(whole) <= len(telling):
        return "none"
    steps = [step for marks in whole for step in pairwise([("", OUTSIDE), *marks])]
    if {after[0] for _, after in steps} - {"B", "I", ""}:
        return "bioes"
    return "bio" if any(after[0] == "B" and before[1] != after[1] for before, after in steps) else "io"


def labels_of(tags: Iterable[str], scheme: str) -> list[str]:
    """All tags that a scheme has for the types in ``tags`` that follow it, O first; without a scheme the tags themselves, in order."""
    found = {tag.strip() for tag in tags} - {""}
    if scheme == "none":
        return sorted(found)
    kinds = sorted({kind for prefix, kind in map(parts_of, found) if prefix})
    extra = {tag for tag in found if scheme == "io" and parts_of(tag)[0] == "B"}
    names = [
        f"{prefix}-{kind}" for kind in kinds for prefix in ("B", *PREFIXES[scheme]) if prefix in PREFIXES[scheme] or f"B-{kind}" in extra
    ]
    return [OUTSIDE, *dict.fromkeys(names)]


def inside_of(labels: Sequence[str]) -> list[int]:
    """For each tag the one of a token's further pieces: that of I- for B- and S-, where there is one, else itself."""
    marks = [parts_of(label) for label in labels]
    goes_on = [f"I-{kind}" if prefix in ("B", "S") else label for label, (prefix, kind) in zip(labels, marks, strict=True)]
    return [labels.index(label) if label in labels else place for place, label in enumerate(goes_on)]


def follows(before: str, after: str, scheme: str) -> bool:
    """Whether a tag may come after another; O stands for the ends of a sentence as well."""
    (prefix, kind), (next_prefix, next_kind) = parts_of(before), parts_of(after)
    goes_on = prefix in ("B", "I") and kind == next_kind
    if scheme == "bio":
        return next_prefix != "I" or goes_on
    if scheme == "bioes":
        return goes_on if next_prefix in ("I", "E") else prefix not in ("B", "I")
    return True


def check_written(tag: str, labels: Sequence[str], scheme: str) -> None:
    """Raise ``RowError`` for a tag that is not written as a scheme writes tags."""
    if scheme != "none" and tag != OUTSIDE and not parts_of(tag)[0]:
        like = next((label for label in labels if label != OUTSIDE), OUTSIDE)
        meant = next((label for label in labels if label.upper() == tag.upper()), f"{OUTSIDE}, or prefix and type as in {like}")
        remedy = f"Write {meant}, or set task.scheme: none where tags write no entities"
        raise RowError(f"'{tag}' is no {scheme.upper()} tag", remedy, "tags")


def check(tags: Sequence[str], tokens: Sequence[str], scheme: str) -> None:
    """Raise ``RowError`` where a sequence is none of the scheme."""
    for place, (before, after) in enumerate(pairwise((OUTSIDE, *tags, OUTSIDE))):
        if not follows(before, after, scheme):
            where = f"'{after}' at token {place + 1} ('{tokens[place]}')" if place < len(tags) else "the end of the sentence"
            after_what = f"comes after '{before}'" if place else "comes first"
            raise RowError(f"{where} {after_what}, which {scheme} does not allow", _remedy(after, scheme), "tags")


def _remedy(tag: str, scheme: str) -> str:
    kind = parts_of(tag)[1]
    begin = f"Begin the entity with B-{kind}" if parts_of(tag)[0] in ("I", "E") else "End the entity with E- or S-"
    return f"{begin}, or set task.scheme: io, in which {'an entity may begin with I-' if scheme == 'bio' else 'anything may follow'}"


def entity_tags(tokens: Tokens, entities: Sequence[Entity], scheme: str) -> list[str]:
    """The tags of tokens from entities in characters; a token is of an entity that has a part of it.

    Raises ``RowError`` where a token is of two.
    """
    tags = [OUTSIDE] * len(tokens)
    for first, last, kind in entities:
        inside = [place for place in range(len(tokens)) if tokens.starts[place] < last and tokens.ends[place] > first]
        for place in inside:
            if tags[place] != OUTSIDE:
                word = tokens.text[tokens.starts[place] : tokens.ends[place]]
                raise RowError(f"two entities share the token '{word}'", "Set task.parting: characters, or correct their ends", "tags")
            tags[place] = f"I-{kind}"
        if inside and scheme != "io":
            tags[inside[0]] = f"B-{kind}"
        if inside and scheme == "bioes":
            tags[inside[-1]] = f"{'S' if len(inside) == 1 else 'E'}-{kind}"
    return tags


def entities_of(value: Any, text: str) -> list[Entity]:
    """The entities in a cell, in their order: dictionaries with ``start``, ``end`` and ``label``, or lists of these three.

    Blanks at their ends do not count. Raises ``RowError`` for one that is outside the text, is blank, or overlaps another.
    """
    found = sorted(_entity(item, text) for item in value)
    for (start, end, kind), (second, stop, other) in pairwise(found):
        if second < end:
            both = f"{kind} '{_short(text[start:end])}' and {other} '{_short(text[second:stop])}'"
            raise RowError(f"{both} overlap", "Keep one of them: a token has one tag", "tags")
    return found


def kind_in(item: Any) -> str:
    """What a tag, or an entity of a cell, says that it is; empty where it says nothing."""
    if isinstance(item, dict):
        return str(next((item[key] for key in _NAMES["label"] if item.get(key) is not None), ""))
    if isinstance(item, list | tuple):
        return str(item[-1]) if item else ""
    return parts_of(str(item).strip())[1]


def _entity(item: Any, text: str) -> Entity:
    if isinstance(item, dict):
        named = {name: next((item[key] for key in keys if item.get(key) is not None), None) for name, keys in _NAMES.items()}
        start, end, kind, said = (named[name] for name in _NAMES)
    else:
        start, end, kind, said = (*item, None) if isinstance(item, list | tuple) and len(item) == 3 else (None, None, None, None)
    whole = all(isinstance(place, int | float) and not isinstance(place, bool) and place == int(place) for place in (start, end))
    if not whole or not str(kind or "").strip():
        raise RowError(
            f"the entity {_short(repr(item))} is not whole", "Write start, end and label, the end being the place after it", "tags"
        )
    first, last = int(start or 0), int(end or 0)
    if not 0 <= first < last <= len(text):
        raise RowError(f"the entity {first} to {last} is not inside the text, which has {len(text):,} characters", "Correct it", "tags")
    part = text[first:last]
    if isinstance(said, str) and said.strip() and said.strip() != part.strip():
        message = f"characters {first} to {last} are '{_short(part)}', and the entity says '{_short(said)}'"
        raise RowError(message, "Count characters from 0, the end being the place after the last", "tags")
    if not part.strip():
        raise RowError(f"the entity {first} to {last} is blank", "Take it out, or correct its ends", "tags")
    return first + len(part) - len(part.lstrip()), last - len(part) + len(part.rstrip()), str(kind).strip()


def allowed(labels: Sequence[str], scheme: str) -> npt.NDArray[np.bool_]:
    """Which tag may follow which, (labels + 1, labels + 1): the last row is the beginning of a sentence, the last column its end."""
    names = [*labels, OUTSIDE]
    return np.array([[follows(before, after, scheme) for after in names] for before in names], bool)


def likeliest(scores: npt.NDArray[Any], may_follow: npt.NDArray[np.bool_]) -> list[int]:
    """The sequence of tags with the largest sum of ``scores`` (tokens, labels) among those that are allowed: Viterbi 1967."""
    barred = np.where(may_follow, 0.0, -np.inf)
    best = scores[0] + barred[-1, :-1]
    back = []
    for token in scores[1:]:
        sums = best[:, None] + barred[:-1, :-1]  # (labels, labels): from one to the next
        back.append(sums.argmax(axis=0))
        best = sums.max(axis=0) + token
    path = [int((best + barred[:-1, -1]).argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
