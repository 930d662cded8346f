"""A seed repeats what models draw, wherever they draw it from."""

from __future__ import annotations

import random

import numpy as np
import torch

from tunesmith.core.run import seed_of
from tunesmith.model.chance import seed_all


def drawn(seed: int) -> tuple[float, float, float]:
    seed_all(seed)
    return float(torch.rand(())), float(np.random.random()), random.random()


def test_a_seed_repeats_all_that_is_drawn_and_another_none_of_it() -> None:
    first, again, other = drawn(seed_of(1)), drawn(seed_of(1)), drawn(seed_of(2))
    assert first == again
    assert not set(first) & set(other)
