"""The random numbers that models draw from."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Seed the global random numbers of torch, NumPy and Python: models draw from all three, those of speech their masks from NumPy's."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
