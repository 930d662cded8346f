"""How far a transcript is from what was said: word and character errors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_MARKS = re.compile(r"[^\w\s']|_|(?<!\w)'|'(?!\w)")


def spoken(text: str) -> str:
    """A text as it is heard: without case, punctuation and double blanks; an apostrophe inside a word stays."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(_MARKS.sub(" ", plain).split())


def edits(said: Sequence[str], written: Sequence[str]) -> int:
    """The least number of substitutions, deletions and insertions that make ``written`` of ``said``.

    Source: Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and reversals"; by rows, as Wagner & Fischer 1974.
    """
    row = list(range(len(written) + 1))
    for number, one in enumerate(said, 1):
        corner, row[0] = row[0], number
        for place, other in enumerate(written, 1):
            corner, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, corner + (one != other))
    return row[-1]


def error_rates(said: Sequence[str], written: Sequence[str], plain: bool = True) -> dict[str, float]:
    """``wer`` and ``cer``: edits of all rows by the words, or characters, that were said in all of them; and the share of rows that agree.

    Rates above 1 are possible, where more was written than was said. ``plain`` compares texts as they are heard.
    """
    if plain:
        said, written = list(map(spoken, said)), list(map(spoken, written))
    pairs = list(zip(said, written, strict=True))
    words = [(one.split(), other.split()) for one, other in pairs]
    return {
        "wer": sum(edits(*pair) for pair in words) / max(1, sum(len(one) for one, _ in words)),
        "cer": sum(edits(one, other) for one, other in pairs) / max(1, sum(map(len, said))),
        "exact_match": sum(one == other for one, other in pairs) / max(1, len(pairs)),
    }
