"""Which languages texts are in, as far as their letters tell, and how many tokens they come to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tunesmith.core.errors import InputError, Problem

OTHER = "other"  # Latin letters, and not English
CODES = """aa ab ae af ak am an
ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi
fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw
ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro
ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi
yo za zh zu"""  # of ISO 639-1
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
SHARE = 0.1  # of the letters of a text, from which a script decides, and of the texts, from which a language counts
MARKED = 0.005  # of the letters, from which a text in Latin letters is not English
PIECES = 1.3  # tokens of a word, about
ENDS = 2  # tokens around a text


def languages_of(texts: Iterable[str]) -> list[str]:
    """The languages that the letters of the texts tell, that of most texts first: zh, ja, ko, ru ...; en, or ``other``, for Latin ones."""
    counts: Counter[str] = Counter()
    letters = marked = 0
    for text in texts:
        length = sum(map(str.isalpha, text))
        script = next((language for language, signs in _LETTERS.items() if len(signs.findall(text)) > SHARE * length), "")
        counts[script] += length > 0
        if not script:
            letters, marked = letters + length, marked + len(_MARKED.findall(text))
    if counts["ja"] > counts["zh"]:  # a text without kana is Japanese, too
        counts["ja"] += counts.pop("zh", 0)
    latin = OTHER if marked > MARKED * letters else "en"
    common = [script or latin for script, number in counts.most_common() if number > SHARE * counts.total()]
    return common or [latin]


def as_languages(text: str) -> list[str]:
    """The codes in ``zh`` or ``zh,en``. Raises ``InputError`` for what is none."""
    codes = [code.strip() for code in text.split(",")]
    if unknown := [code for code in codes if code not in CODES.split()]:
        raise InputError(Problem(f"'{unknown[0]}' is no code of a language", "Write one of ISO 639-1, en or zh for example"))
    return codes


def tokens_of(text: str) -> float:
    """About how many tokens a text comes to: a word 1.3, a sign one, a letter of a script without blanks one."""
    wide = len(_WIDE.findall(text))
    return wide + PIECES * len(_WORD.findall(_WIDE.sub(" ", text))) + ENDS
