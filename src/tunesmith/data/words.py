"""Words and sentences of a text in any script: what the simple methods read that a model is compared with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

# Kana and Chinese characters stand for themselves, whatever else is a letter or a digit makes words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_SENTENCE = re.compile(r"\S.*?(?:[。！？]|[.!?](?=\s)|$)", re.MULTILINE)


def words(text: str) -> list[str]:
    """The words of a text without case, in their order; Chinese and Japanese by characters."""
    return _WORD.findall(text.casefold())


def sentences(text: str) -> list[tuple[int, int]]:
    """Where each sentence starts and ends, in characters; a line ends a sentence too."""
    return [found.span() for found in _SENTENCE.finditer(text)]


def likeliest_sentence(question: str, text: str) -> str:
    """The sentence of a text that shares most words with a question, the shortest of several."""
    asked = set(words(question))
    parts = [text[start:end] for start, end in sentences(text)]
    return min(parts, key=lambda part: (-len(asked & set(words(part))), len(part)))


def bm25(queries: Sequence[str], candidates: Sequence[Sequence[str]], others: Iterable[str] = ()) -> list[list[float]]:
    """The score of each candidate for its query; how rare a word is comes from all candidates and ``others``, each text once.

    ``sum_w idf(w) f (k + 1) / (f + k (1 - b + b length / mean length))`` with k = 1.2, b = 0.75 and
    ``idf = log(1 + (N - n + 0.5) / (n + 0.5))``.

    Source: Robertson & Zaragoza 2009, doi:10.1561/1500000019, with the idf of Lucene, which is never negative.
    """
    texts = {text: Counter(words(text)) for text in {*others, *(text for of_query in candidates for text in of_query)}}
    mean = sum(map(Counter.total, texts.values())) / max(1, len(texts)) or 1.0
    holding = Counter(word for counts in texts.values() for word in counts)

    def score(word: str, counts: Counter[str]) -> float:
        rarity = log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))
        return rarity * counts[word] * 2.2 / (counts[word] + 1.2 * (0.25 + 0.75 * counts.total() / mean))

    return [
        [sum(score(word, texts[text]) for word in words(query)) for text in of_query]
        for query, of_query in zip(queries, candidates, strict=True)
    ]


def mostly_chinese(texts: Iterable[str]) -> bool:
    """Whether more than half of the words are Chinese characters."""
    found = [word for text in texts for word in words(text)]
    return 2 * sum("\u3400" <= word <= "\u9fff" for word in found) > len(found)
