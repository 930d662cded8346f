"""How varied written texts are: a model that was tuned too long says the same again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunesmith.metrics.generation import words

REPEATED = 4  # words in a row that count as said again


def distinct(texts: Sequence[str], size: int) -> float:
    """Different runs of ``size`` words of all texts, by how many there are; 0 where there is none.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.2.
    """
    found = Counter(run for text in texts for run in _runs(text, size))
    return len(found) / max(1, found.total())


def repetition(texts: Sequence[str], size: int = REPEATED) -> float:
    """The share of runs of ``size`` words that were in the same text before, as a mean over texts that are long enough; 0 for none.

    Source: Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training", section 6 (seq-rep-4).
    """
    counts = [Counter(_runs(text, size)) for text in texts]
    shares = [1 - len(count) / count.total() for count in counts if count]
    return sum(shares) / max(1, len(shares))


def _runs(text: str, size: int) -> list[tuple[str, ...]]:
    found = words(text)
    return [tuple(found[place : place + size]) for place in range(len(found) - size + 1)]
