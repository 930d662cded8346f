"""Loss, perplexity and accuracy over tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tunesmith.metrics.likelihood import bits_per_byte, likelihood, likelihood_over


def test_tokens_count_alike_in_long_and_short_texts() -> None:
    scores = likelihood([math.log(4) * 3, math.log(4)], [1, 1], [3, 1])
    assert scores == {"loss": pytest.approx(math.log(4)), "perplexity": pytest.approx(4), "token_accuracy": 0.5}


def test_it_stays_a_number() -> None:
    assert math.isfinite(likelihood([1e6], [0], [1])["perplexity"])
    assert likelihood([], [], [])["loss"] == 0


def test_a_metric_is_known_of_any_texts() -> None:
    losses, rights, tokens = [1.0, 6.0, 2.0], [1, 0, 2], [1, 3, 4]
    over = likelihood_over("perplexity", losses, rights, tokens)
    assert over is not None
    assert over(np.array([0, 2, 2])) == pytest.approx(likelihood([1.0, 2.0, 2.0], [1, 2, 2], [1, 4, 4])["perplexity"])
    assert likelihood_over("bits_per_byte", losses, rights, tokens) is None
    assert math.isnan(likelihood_over("loss", [0.0, 1.0], [0, 0], [0, 2])(np.array([0, 0])))  # type: ignore[misc]


def test_bits_of_a_byte() -> None:
    assert bits_per_byte([math.log(2) * 6, 4]) == pytest.approx(1.5)
