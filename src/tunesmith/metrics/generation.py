"""How right written texts are: ROUGE, BLEU, chrF, exact match and F1, in scripts with and without spaces between words.

A text may have several references; the best of them counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tunesmith.metrics.answers import squad_1
from tunesmith.metrics.interval import Rows, over_sums

Texts = Sequence[str]
References = Sequence[Sequence[str]]  # of each text, one at least

# by what is written: the metrics of it, the first of which decides
BY_KIND = {"summary": ("rouge_l", "rouge_1", "rouge_2"), "translation": ("chrf", "bleu"), "answer": ("f1", "exact_match")}

# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese. Each character is a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_HAN, _OTHERS = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"), re.compile("[\u0e00-\u30ff]")
_SIGN = re.compile(f"([{_UNSPACED}])|[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\u2018-\u201d\u2026]")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; a character by itself where words have no spaces.

    For English these are the tokens of the rouge-score package, which drops every letter but a to z.
    """
    return _WORD.findall(text.lower())


def rouge(predicted: str, references: Sequence[str]) -> dict[str, float]:
    """``rouge_1``, ``rouge_2`` and ``rouge_l``: F1 of shared words, word pairs, and the longest common subsequence, without stemming.

    Equal to the rouge-score package for English, the best of several references by each score. Source: Lin 2004, "ROUGE".
    """
    given, truths = words(predicted), [words(reference) for reference in references]
    return {
        "rouge_1": max(_f1(_shared(given, right, 1), len(given), len(right)) for right in truths),
        "rouge_2": max(_f1(_shared(given, right, 2), len(given) - 1, len(right) - 1) for right in truths),
        "rouge_l": max(_f1(common_subsequence(given, right), len(given), len(right)) for right in truths),
    }


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence. Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited"."""
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    full = state = (1 << len(one)) - 1
    for word in other:
        matched = state & places.get(word, 0)
        state = (state + matched | state - matched) & full
    return len(one) - state.bit_count()


def exact_and_f1(predicted: str, references: Sequence[str]) -> dict[str, float]:
    """``exact_match`` and ``f1`` of SQuAD 1.1: by words without case, punctuation and articles; of Chinese by characters."""
    exact, f1 = squad_1(_parted(predicted), [_parted(reference) for reference in references])
    return {"exact_match": exact, "f1": f1}


def bleu(predicted: Texts, references: References) -> float:
    """BLEU of a whole set by sacrebleu, 0 to 100; tokenised by ``13a``, by ``zh`` for Chinese, by ``char`` for kana and Thai.

    Source: Papineni et al. 2002; Post 2018, "A call for clarity in reporting BLEU scores".
    """
    from sacrebleu import corpus_bleu

    return float(corpus_bleu(list(predicted), _streams(references), force=True, tokenize=tokenisation(references)).score)


def chrf(predicted: Texts, references: References) -> float:
    """chrF of a whole set by sacrebleu, 0 to 100: F2 of shared runs of 1 to 6 characters. Source: Popović 2015, "chrF"."""
    from sacrebleu import corpus_chrf

    return float(corpus_chrf(list(predicted), _streams(references)).score)


def sentence_bleu(predicted: str, references: Sequence[str]) -> float:
    """BLEU of one text, 0 to 100; orders that it is too short for do not count."""
    from sacrebleu import sentence_bleu as of_sacrebleu

    return float(of_sacrebleu(predicted, list(references), tokenize=tokenisation([references])).score)


def sentence_chrf(predicted: str, references: Sequence[str]) -> float:
    """chrF of one text, 0 to 100."""
    from sacrebleu import sentence_chrf as of_sacrebleu

    return float(of_sacrebleu(predicted, list(references)).score)


def tokenisation(references: References) -> str:
    """sacrebleu's name for how BLEU parts texts in the script of the references."""
    text = "".join(reference for several in references for reference in several)
    letters = max(1, sum(map(str.isalnum, text)))
    if len(_OTHERS.findall(text)) > letters / 5:  # Japanese mixes kana with Chinese characters
        return "char"
    return "zh" if len(_HAN.findall(text)) > letters / 5 else "13a"


BY_TEXT: dict[str, Callable[[str, Sequence[str]], dict[str, float]]] = {  # what scores one text, by the name of the score
    **dict.fromkeys(("rouge_1", "rouge_2", "rouge_l"), rouge),
    **dict.fromkeys(("exact_match", "f1"), exact_and_f1),
    "bleu": lambda predicted, references: {"bleu": sentence_bleu(predicted, references)},
    "chrf": lambda predicted, references: {"chrf": sentence_chrf(predicted, references)},
}
OF_THE_SET: dict[str, Callable[[Texts, References], float]] = {"bleu": bleu, "chrf": chrf}  # no means over texts, and 0 to 100


def scores(names: Sequence[str], predicted: Texts, references: References) -> dict[str, float]:
    """Scores by name: BLEU and chrF of the whole set, others as means over texts; 0 where there is no text."""
    if not predicted:
        return dict.fromkeys(names, 0.0)
    means = {BY_TEXT[name] for name in names if name not in OF_THE_SET}
    rows = {score: [score(*pair) for pair in zip(predicted, references, strict=True)] for score in means}
    return {
        name: OF_THE_SET[name](predicted, references)
        if name in OF_THE_SET
        else sum(row[name] for row in rows[BY_TEXT[name]]) / len(predicted)
        for name in dict.fromkeys(names)
    }


def by_row(name: str, predicted: Texts, references: References) -> list[float]:
    """A score of each text by itself, 0 to 1."""
    most = 100.0 if name in OF_THE_SET else 1.0
    return [min(1.0, BY_TEXT[name](*pair)[name] / most) for pair in zip(predicted, references, strict=True)]


def over(name: str, predicted: Texts, references: References) -> Callable[[Rows], float] | None:
    """BLEU or chrF as a function of row numbers, with repetition, from what sacrebleu counts of each text; None for a mean over texts."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if name not in OF_THE_SET:
        return None
    metric: Any = CHRF() if name == "chrf" else BLEU(force=True, tokenize=tokenisation(references))
    counts = metric._extract_corpus_statistics(list(predicted), _streams(references))
    return over_sums(counts, lambda sums: float(metric._compute_score_from_stats(sums.astype(int).tolist()).score))


def _streams(references: References) -> list[list[Any]]:
    """The first references of all texts, the second, and so on, as sacrebleu wants them; None where a text has no more."""
    most = max(map(len, references), default=0)
    return [[several[i] if i < len(several) else None for several in references] for i in range(most)]


def _parted(text: str) -> str:
    """The text with blanks around each character of a script without spaces, and without the signs of Chinese."""
    return _SIGN.sub(lambda found: f" {found[1] or ''} ", text)


def _shared(given: Sequence[str], right: Sequence[str], size: int) -> int:
    """Runs of ``size`` words that two texts share, each as often as in both."""
    counts = (Counter(tuple(text[i : i + size]) for i in range(len(text) - size + 1)) for text in (given, right))
    return (next(counts) & next(counts)).total()


def _f1(shared: int, given: int, right: int) -> float:
    """F1 of what is shared among ``given`` and ``right`` units: twice the harmonic mean of precision and recall."""
    return 2 * shared / (given + right) if shared else 0.0
