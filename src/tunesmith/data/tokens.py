"""A text and the tokens in it: joined from a list, or parted where it comes whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tunesmith.core.task import RowError
from tunesmith.data.text import check_text

_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # kana and Chinese characters
_SIGNS = r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_CLOSING = ",.;:!?"

PARTINGS = {
    "blanks": re.compile(r"\S+"),
    "words": re.compile(rf"[{_ALONE}{_SIGNS}]|\d+|[^\s\d{_ALONE}{_SIGNS}]+"),
    "characters": re.compile(r"\S"),
}
UNSPACED = re.compile(f"[{_ALONE}\uff00-\uff65\u3000-\u303f]")


@dataclass(frozen=True)
class Tokens:
    """A text with the places of its tokens in characters: token i is ``text[starts[i]:ends[i]]``."""

    text: str
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Tokens:
        """Those of a row that a task has read."""
        return cls(row["text"], row["starts"], row["ends"])

    def __len__(self) -> int:
        return len(self.starts)

    def words(self) -> list[str]:
        return [self.text[start:end] for start, end in zip(self.starts, self.ends, strict=True)]


def parted(text: str, parting: str) -> Tokens:
    """The tokens of a text: what stands between ``blanks``, ``words`` and numbers and signs each by itself, or ``characters``.

    Chinese and Japanese words are parted into characters.
    """
    places = [found.span() for found in PARTINGS[parting].finditer(text)]
    return Tokens(text, [start for start, _ in places], [end for _, end in places])


def joined(tokens: Sequence[str]) -> Tokens:
    """The text of tokens: a blank between two of them, but none beside a Chinese or Japanese character."""
    text, starts = "", []
    for token in tokens:
        text += " " if text and not (UNSPACED.match(text[-1]) or UNSPACED.match(token)) else ""
        starts.append(len(text))
        text += token
    return Tokens(text, starts, [start + len(token) for start, token in zip(starts, tokens, strict=True)])


def listed(value: Any) -> Any:
    """The list that a cell of a table writes, ``["a", "b"]`` for example, else the value."""
    if isinstance(value, str) and value.strip().startswith("["):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = ast.literal_eval(value.strip())  # nothing is run
            return found if isinstance(found, list) else value
    return value


def tokens_of(value: Any, parting: str) -> Tokens:
    """The tokens of a cell: a list of them, or a text that is parted. Raises ``RowError`` where it is neither, or a token is blank."""
    found = listed(value)
    if isinstance(found, list) and all(isinstance(token, str) for token in found):
        if not found:
            raise RowError("there are no tokens", "Give some, or leave the row out", "text")
        if blank := next((place for place, token in enumerate(found, 1) if not token.strip()), 0):
            raise RowError(f"token {blank} of {len(found)} is blank", "Take it out, and its tag too", "text")
        return joined(found)
    if isinstance(value, list):
        wrong = next(token for token in value if not isinstance(token, str))
        raise RowError(f"the token {wrong!r} is no text", "Write each token as a text", "text")
    check_text(value, "text")
    return parted(value, parting)


def parting_of(texts: Iterable[Any], counts: Iterable[int | None]) -> str:
    """How a text that comes whole is parted, so that it looks like the training rows: a key of ``PARTINGS``.

    ``texts`` are cells of training rows, ``counts`` how many tags each has, None where it is not tags that it has.
    """
    tokens: list[str] = []
    fits = {"blanks": 0, "characters": 0}
    for value, count in zip(texts, counts, strict=True):
        found = listed(value)
        if isinstance(found, list):
            tokens += [token for token in found if isinstance(token, str)]
        elif isinstance(found, str) and count is not None:
            for parting in fits:
                fits[parting] += len(parted(found, parting)) == count
    if any(fits.values()):
        return max(fits, key=lambda parting: fits[parting])
    if tokens and 20 * sum(len(token) > 1 for token in tokens) < len(tokens):
        return "characters"
    attached = sum(len(token) > 1 and token[-1] in _CLOSING for token in tokens)
    return "blanks" if attached > sum(token in _CLOSING for token in tokens) else "words"
