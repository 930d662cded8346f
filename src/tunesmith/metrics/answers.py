"""How right short answers are: exact match and F1 as SQuAD 1.1, SQuAD 2.0 and CMRC 2018 count them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.metrics.kinds import means_by_kind

Pair = tuple[float, float]  # exact match and F1 of one answer

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CMRC_SIGNS = set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_SEGMENTS = re.compile(r"[\u4e00-\u9fa5]|W+(?:[.]W+|,(?=\d)W+)*|…+|[^\w\s]".replace("W", r"[^\W\u4e00-\u9fa5]"))


def answers(predicted: Sequence[str], truths: Sequence[Sequence[str]], scoring: str) -> dict[str, Any]:
    """Exact match and F1 over questions, an empty text being no answer, and ``per_kind`` where some have none.

    ``truths`` are the answers that count as right for each question, none of them where there is no answer; ``scoring`` is a key of
    ``SCORING``.

    Source: the official scripts. Rajpurkar et al. 2016, arXiv:1606.05250 and 2018, arXiv:1806.03822; Cui et al. 2019, arXiv:1810.07366.
    """
    pairs = [SCORING[scoring](answer, right) for answer, right in zip(predicted, truths, strict=True)]
    kinds = ["answerable" if right else "unanswerable" for right in truths]
    return means_by_kind({"f1": [f1 for _, f1 in pairs], "exact_match": [exact for exact, _ in pairs]}, kinds)


def best_threshold(best: Sequence[str], truths: Sequence[Sequence[str]], doubts: npt.ArrayLike, scoring: str) -> dict[str, float]:
    """The ``best_f1`` that withholding doubtful answers can reach, and the ``best_threshold`` of doubt above which they are withheld.

    ``best`` are the answers as if all were given; ``doubts`` (questions,) how likely it seems that there is none, on any scale. A
    withheld answer is right where there is none.

    Source: ``find_best_thresh`` of the official script of SQuAD 2.0, which says 0 where it is best to withhold all.
    """
    doubts, answerable = np.asarray(doubts, float), np.array([bool(right) for right in truths], bool)
    if not len(doubts):
        return {}
    values = [SCORING[scoring](answer, right)[1] if right else -bool(answer) for answer, right in zip(best, truths, strict=True)]
    order = np.argsort(doubts, kind="stable")
    totals = np.concatenate([[0.0], np.cumsum(np.array(values, float)[order])]) + np.sum(~answerable)
    most = int(totals.argmax())
    return {"best_f1": float(totals[most] / len(doubts)), "best_threshold": float(doubts[order[most - 1]] if most else doubts.min() - 1)}


def squad_1(predicted: str, truths: Sequence[str]) -> Pair:
    """The best over the right answers, by words without case, punctuation and articles, as the script of SQuAD 1.1 has it."""
    words = _words(predicted)
    return _best((float(words == right), _f1(_shared(words, right), len(words), len(right))) for right in map(_words, truths or [""]))


def squad_2(predicted: str, truths: Sequence[str]) -> Pair:
    """The same as the script of SQuAD 2.0 has it: right answers without a word do not count, and no answer equals no answer."""
    words = _words(predicted)
    known = [right for right in map(_words, truths) if right] or [[]]
    return _best(
        (float(words == right), _f1(_shared(words, right), len(words), len(right)) if words and right else float(words == right))
        for right in known
    )


def cmrc(predicted: str, truths: Sequence[str]) -> Pair:
    """The same for Chinese, as the script of CMRC 2018 has it: F1 of the longest run of characters that both texts share.

    Chinese characters count one by one, other words whole (mixed segmentation), and signs that the script lists are left out. Words of
    other scripts are parted by a pattern here and by NLTK there, which parts English contractions too. No answer equals no answer,
    which CMRC does not know.
    """
    if not truths:
        return float(not predicted), float(not predicted)
    plain, segments = _without_signs(predicted), _segments(predicted)

    def pair(right: str) -> Pair:
        others = _segments(right)
        return float(plain == _without_signs(right)), _f1(_longest_run(segments, others), len(segments), len(others))

    return _best(map(pair, truths))


SCORING: dict[str, Callable[[str, Sequence[str]], Pair]] = {"squad_1": squad_1, "squad_2": squad_2, "cmrc": cmrc}


def _best(pairs: Any) -> Pair:
    """The largest exact match and the largest F1, each by itself."""
    exact, f1 = zip(*pairs, strict=True)
    return max(exact), max(f1)


def _f1(shared: int, predicted: int, right: int) -> float:
    """F1 of ``shared`` units among those of the prediction and of the right answer."""
    if not shared:
        return 0.0
    precision, recall = shared / predicted, shared / right
    return (2 * precision * recall) / (precision + recall)


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _shared(words: Sequence[str], others: Sequence[str]) -> int:
    return (Counter(words) & Counter(others)).total()


def _without_signs(text: str) -> str:
    return "".join(sign for sign in text.lower().strip() if sign not in _CMRC_SIGNS)


def _segments(text: str) -> list[str]:
    return _SEGMENTS.findall(_without_signs(text))


def _longest_run(segments: Sequence[str], others: Sequence[str]) -> int:
    return SequenceMatcher(None, segments, others, autojunk=False).find_longest_match().size
