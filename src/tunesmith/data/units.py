"""Encoded rows as words again: which tokens make a word, so that whole words can be changed in token ids, in any script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.task import Row

CONTINUES = "##"  # WordPiece marks what goes on with a word
STARTS = ("Ġ", "▁")  # byte-level BPE and SentencePiece mark what begins one
PART, LEADING = (
    "\ufffd",
    (0xC2, 0xF4),
)  # bytes that are no whole character, and those that begin one, which byte-level BPE writes as themselves
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Chinese and Japanese characters, as a class of regular expressions
MARKED = 0.05  # share of a vocabulary from which a mark is its tokenizer's

_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True)
class Unit:
    """A word, as the tokens that stand for it.

    ``fixed``  whether it must stay where and as it is: special tokens, punctuation, and words that are written otherwise than those with a
               blank before them, as the first of a text or the t of isn't may be
    ``part``   which text of its row it belongs to: special tokens part texts
    ``type``   its token type, 0 where the row has none
    """

    ids: tuple[int, ...]
    fixed: bool
    part: int
    type: int = 0


class Units:
    """Cuts the token ids of a tokenizer into words, and puts them together again. Chinese and Japanese characters are words."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.special = frozenset(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # a word that is not known is a word
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        self._mark = next((mark for mark in (CONTINUES, *STARTS) if _share(vocabulary, mark) > MARKED), "")
        self._tokens = {number: token for token, number in vocabulary.items()}
        self._texts: dict[int, str] = {}
        self._words: dict[tuple[int, ...], str] = {}
        self._encoded: dict[tuple[str, tuple[int, ...]], tuple[int, ...] | None] = {}

    def cut(self, row: Row) -> list[Unit]:
        """The units of an encoded row, in order."""
        ids, types = row["input_ids"], row.get("token_type_ids") or [0] * len(row["input_ids"])
        units: list[Unit] = []
        part, before = 0, -1
        for token, kind in zip(ids, types, strict=True):
            if token in self.special:
                part += 1
                units.append(Unit((token,), True, part, kind))
            elif before in self.special or before < 0 or self._begins(token, before):
                units.append(Unit((token,), not self._can_change(token), part, kind))
            else:
                last = units[-1]
                units[-1] = Unit((*last.ids, token), last.fixed, part, kind)
            before = token
        return units

    def joined(self, row: Row, units: Sequence[Unit]) -> Row:
        """The row with the tokens of ``units`` in the place of its own."""
        ids = [token for unit in units for token in unit.ids]
        typed = {"token_type_ids": [unit.type for unit in units for _ in unit.ids]} if "token_type_ids" in row else {}
        return {**row, **typed, "input_ids": ids, "length": len(ids)}

    def text(self, ids: Iterable[int]) -> str:
        """What tokens say, without blanks around it."""
        return str(self.tokenizer.decode(list(ids))).strip()

    def word(self, unit: Unit) -> str:
        """What a unit says, in small letters."""
        if unit.ids not in self._words:
            self._words[unit.ids] = self.text(unit.ids).lower()
        return self._words[unit.ids]

    def encoded(self, text: str, instead: tuple[int, ...]) -> tuple[int, ...] | None:
        """The tokens of a word that is to stand where the tokens ``instead`` stand.

        None where they cannot be had by encoding what they say, as inside a text without blanks: then nobody knows how.
        """
        key = (text, instead)
        if key not in self._encoded:
            old = self.text(instead)
            blank = next((blank for blank in ("", " ") if self.ids(blank + old) == instead), None)
            self._encoded[key] = None if blank is None else self.ids(blank + text)
        return self._encoded[key]

    def ids(self, text: str) -> tuple[int, ...]:
        """The tokens of a text alone."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _begins(self, token: int, before: int) -> bool:
        """Whether ``token`` begins a word after the token ``before``."""
        written = self._tokens.get(token, "")
        if not self._mark:
            return True
        if self._mark == CONTINUES:
            return not written.startswith(CONTINUES)
        plain, other = self._said(token), self._said(before)
        if plain == PART:
            return LEADING[0] <= ord(written[0]) <= LEADING[1]
        return written.startswith(self._mark) or unspaced(plain) or not spoken(plain) or not spoken(other) or unspaced(other)

    def _can_change(self, token: int) -> bool:
        said = self._said(token)
        apart = self._mark not in STARTS or self._tokens.get(token, "").startswith(self._mark) or unspaced(said)
        return said == PART or (spoken(said) and apart)

    def _said(self, token: int) -> str:
        if token not in self._texts:
            said = self.text([token])
            self._texts[token] = PART if PART in said else said
        return self._texts[token]


def spoken(text: str) -> bool:
    """Whether a letter or a digit stands in ``text``."""
    return any(map(str.isalnum, text))


def unspaced(text: str) -> bool:
    """Whether ``text`` begins with a Chinese or Japanese character: no blanks part these."""
    return _UNSPACED.match(text) is not None


def longest(rows: Sequence[Row]) -> int:
    """The positions of the longest of encoded rows, 0 where there are none: what training has room for."""
    lengths = getattr(rows, "lengths", None)
    return int(np.max([row["length"] for row in rows] if lengths is None else lengths, initial=0))


def _share(vocabulary: Iterable[str], mark: str) -> float:
    tokens = list(vocabulary)
    return sum(token.startswith(mark) for token in tokens) / max(1, len(tokens))
