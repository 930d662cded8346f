"""Loss, perplexity and accuracy over tokens."""

from __future__ import annotations

import math

import pytest

from tunesmith.metrics.likelihood import likelihood


def test_tokens_count_alike_in_long_and_short_texts() -> None:
    scores = likelihood([math.log(4) * 3, math.log(4)], [1, 1], [3, 1])
    assert scores == {"loss": pytest.approx(math.log(4)), "perplexity": pytest.approx(4), "token_accuracy": 0.5}


def test_it_stays_a_number() -> None:
    assert math.isfinite(likelihood([1e6], [0], [1])["perplexity"])
    assert likelihood([], [], [])["loss"] == 0
