"""The same text about someone else: words swapped for their counterparts, he for she."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.units import UNSPACED, unspaced

SPACED = rf"[^\W{UNSPACED}]"  # a letter or digit of a script that parts words by blanks


def counterparts(path: Path) -> dict[str, str]:
    """The words of a file and what stands for each: a pair a line, parted by a comma, a tab or a slash; ``#`` begins a remark.

    Each word of a pair stands for the other; of a word in several pairs the first counts. Raises ``InputError`` with every line that is
    no pair.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            Problem(f"the pairs of words cannot be read: {error}", "Give a text file, a pair a line: he, she", str(path))
        ) from None
    found: dict[str, str] = {}
    bad = []
    for number, line in enumerate(lines, 1):
        pair = [word.strip().casefold() for word in re.split(r"[,\t/]", line.partition("#")[0])]
        if pair == [""]:
            continue
        if len(pair) != 2 or not all(pair) or pair[0] == pair[1]:
            bad.append(Problem("this is no pair of words", "Write two that differ: he, she", str(path), number))
            continue
        found = {pair[0]: pair[1], pair[1]: pair[0]} | found
    if bad or not found:
        raise InputError(*bad or [Problem("there is no pair of words", "Write a pair a line: he, she", str(path))])
    return found


def swapped(text: str, words: Mapping[str, str]) -> str:
    """The text with each of ``words`` replaced by its counterpart, whole words alone, written as the word was: He, HE or he.

    Chinese and Japanese characters begin and end a word wherever they stand.
    """
    longest = sorted(words, key=len, reverse=True)
    pattern = re.compile("|".join(map(_whole, longest)), re.IGNORECASE)
    return pattern.sub(lambda found: _like(found[0], words[found[0].casefold()]), text)


def _whole(word: str) -> str:
    """The pattern of a word with no letter of the same word beside it."""
    before = "" if unspaced(word[0]) else f"(?<!{SPACED})"
    after = "" if unspaced(word[-1]) else f"(?!{SPACED})"
    return before + re.escape(word) + after


def _like(model: str, word: str) -> str:
    """``word`` in capitals where ``model`` is."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
