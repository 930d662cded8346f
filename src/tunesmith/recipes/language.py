"""Which language texts are in, as far as their letters tell, and how many tokens they come to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

OTHER = "other"  # Latin letters, and not English
_SCRIPTS = {  # language -> the letters that tell it, the surest first
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af\u1100-\u11ff",
    "zh": "\u4e00-\u9fff\u3400-\u4dbf",
    "ru": "\u0400-\u04ff",
    "el": "\u0370-\u03ff",
    "he": "\u0590-\u05ff",
    "ar": "\u0600-\u06ff",
    "hi": "\u0900-\u097f",
    "th": "\u0e00-\u0e7f",
}
_LETTERS = {language: re.compile(f"[{letters}]") for language, letters in _SCRIPTS.items()}
_MARKED = re.compile("[\u00c0-\u024f]")  # Latin letters that English has not
_WIDE = re.compile(f"[{_SCRIPTS['ja']}{_SCRIPTS['ko']}{_SCRIPTS['zh']}{_SCRIPTS['th']}]")
_WORD = re.compile(r"\w+|[^\w\s]")
SHARE = 0.1  # of the letters, from which a script decides
MARKED = 0.005  # of the letters, from which a text in Latin letters is not English
PIECES = 1.3  # tokens of a word, about
ENDS = 2  # tokens around a text


def language_of(texts: Iterable[str]) -> str:
    """The language that the letters tell: zh, ja, ko, ru ...; en, or ``other``, where they are Latin."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts["all"] += sum(map(str.isalpha, text))
        counts[OTHER] += len(_MARKED.findall(text))
        for language, letters in _LETTERS.items():
            counts[language] += len(letters.findall(text))
    letters_seen = max(1, counts["all"])
    found = next((language for language in _SCRIPTS if counts[language] > SHARE * letters_seen), "")
    return found or (OTHER if counts[OTHER] > MARKED * letters_seen else "en")


def tokens_of(text: str) -> float:
    """About how many tokens a text comes to: a word 1.3, a sign one, a letter of a script without blanks one."""
    wide = len(_WIDE.findall(text))
    return wide + PIECES * len(_WORD.findall(_WIDE.sub(" ", text))) + ENDS
