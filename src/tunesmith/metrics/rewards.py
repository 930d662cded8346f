"""What a written text is worth, 0 to 1: how near it is to a reference, how long it is, or whether it has a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import regex

from tunesmith.metrics.generation import BY_TEXT, OF_THE_SET, words

LONGEST = 20_000  # characters of a text in which a pattern is looked for
SECONDS = 1.0  # after which a pattern that is looked for in a text is not in it

Reward = Callable[[str, str], float]  # of a text and its reference
Texts = Sequence[str]
Judge = Callable[[Texts, Texts, Texts], list[float]]  # of answers, and for each what it answers and its reference


def likeness(name: str, text: str, reference: str) -> float:
    """The score of a text by one of ``generation.BY_TEXT``, 0 to 1."""
    return min(1.0, max(0.0, BY_TEXT[name](text, [reference])[name] / (100.0 if name in OF_THE_SET else 1.0)))


def length(num_words: int, text: str, reference: str) -> float:
    """1 for a text of ``num_words`` words, less by the share that it has more or fewer, 0 for one without any or twice as many."""
    return max(0.0, 1.0 - abs(len(words(text)) - num_words) / num_words)


def matches(pattern: str, text: str, reference: str) -> float:
    """1 for a text in which a regular expression is found, else 0; one that takes longer than ``SECONDS`` is not found."""
    try:
        return float(regex.search(pattern, text[:LONGEST], timeout=SECONDS) is not None)
    except TimeoutError:
        return 0.0


def _nearness(name: str, pattern: str, num_words: int) -> Reward:
    return partial(likeness, name)


# by name: makes a reward of the settings "pattern" and "num_words"
_REWARDS: Mapping[str, Callable[[str, int], Reward]] = {
    **{name: partial(_nearness, name) for name in BY_TEXT},
    "length": lambda pattern, num_words: partial(length, num_words),
    "pattern": lambda pattern, num_words: partial(matches, pattern),
}
TEXT_REWARDS = tuple(_REWARDS)


def text_reward(name: str, pattern: str = "", num_words: int = 1) -> Judge:
    """What judges texts by the reward of that name. Raises ``ValueError`` for a pattern that is no regular expression, saying why."""
    if name == "pattern":
        try:
            regex.compile(pattern)
        except regex.error as error:
            raise ValueError(str(error)) from None
    reward = _REWARDS[name](pattern, num_words)
    return lambda texts, questions, references: list(map(reward, texts, references))
