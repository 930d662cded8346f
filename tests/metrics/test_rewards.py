"""What texts are worth, and that it stays between 0 and 1 and comes to an end."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.metrics import rewards
from tunesmith.metrics.generation import exact_and_f1, sentence_chrf
from tunesmith.metrics.rewards import TEXT_REWARDS, length, matches, text_reward


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_reward_is_between_0_and_1(text: str, reference: str) -> None:
    for name in TEXT_REWARDS:
        [value] = text_reward(name, "a+", 3)([text], ["who ?"], [reference])
        assert 0.0 <= value <= 1.0, name


def test_likeness_is_the_metric_of_that_name() -> None:
    texts, references = ["the good film", "a dog"], ["the good , good film", "a cat"]
    f1, chrf = (text_reward(name)(texts, ["", ""], references) for name in ("f1", "chrf"))
    assert f1 == [exact_and_f1(text, [right])["f1"] for text, right in zip(texts, references, strict=True)]
    assert chrf == [pytest.approx(sentence_chrf(text, [right]) / 100) for text, right in zip(texts, references, strict=True)]


def test_length_is_best_where_it_is_asked_for() -> None:
    assert [length(4, text, "") for text in ("", "a b", "a b c d", "a b c d e", "a b c d e f g h i")] == [0.0, 0.5, 1.0, 0.75, 0.0]


def test_a_pattern_is_there_or_not() -> None:
    assert [matches(r"\bno\b", text, "") for text in ("yes , no .", "not so")] == [1.0, 0.0]
    with pytest.raises(ValueError, match="missing"):
        text_reward("pattern", "(a")


def test_a_pattern_that_would_take_forever_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards, "SECONDS", 0.05)
    begun = time.process_time()
    assert matches(r"(a|aa|a?b?)+$", "a" * 60 + "c", "") == 0.0
    assert time.process_time() - begun < 20
