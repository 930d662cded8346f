"""How far a transcript is from what was said: word and character errors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from tunesmith.metrics.interval import Rows, over_sums

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
    rows = [_errors(*pair, plain) for pair in zip(said, written, strict=True)]
    return {name: sum(row[name][0] for row in rows) / max(1, sum(row[name][1] for row in rows)) for name in ("wer", "cer", "exact_match")}


def errors_over(metric: str, said: Sequence[str], written: Sequence[str], plain: bool = True) -> Callable[[Rows], float]:
    """``wer`` or ``cer`` of ``error_rates`` as a function of row numbers, with repetition."""
    counts = [_errors(*pair, plain)[metric] for pair in zip(said, written, strict=True)]
    return over_sums(counts, lambda sums: float(sums[0] / max(1, sums[1])))


def _errors(said: str, written: str, plain: bool) -> dict[str, tuple[int, int]]:
    """Of one row, by metric: what counts, and what it is divided by."""
    if plain:
        said, written = spoken(said), spoken(written)
    words = said.split()
    return {
        "wer": (edits(words, written.split()), len(words)),
        "cer": (edits(said, written), len(said)),
        "exact_match": (said == written, 1),
    }
