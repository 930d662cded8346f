"""Is one model better than another on the same rows, or was it luck: paired bootstrap intervals and flips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def paired_bootstrap(base: npt.ArrayLike, tuned: npt.ArrayLike, resamples: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """The mean of ``tuned - base`` with its 95% interval: (delta, low, high).

    ``base`` and ``tuned`` (rows,) hold one value for each row, in the same order: right or wrong, or an error. Resampling rows, not
    models, keeps the pairs together, so what is hard for both does not blur the difference.
    """
    base, tuned = np.asarray(base, float), np.asarray(tuned, float)
    if base.shape != tuned.shape:
        raise ValueError(f"pairs need the same rows: base has {base.shape}, tuned has {tuned.shape}")
    difference = tuned - base
    return bootstrap(lambda rows: float(difference[rows].mean()), len(difference), resamples, seed)


def bootstrap(statistic: Callable[[Rows], float], num_rows: int, resamples: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Any statistic of rows with its 95% percentile interval: (value, low, high).

    ``statistic`` takes row numbers, with repetition; for the difference of two models in F1, it returns the one minus the other on
    those rows. One resample is held at a time, so memory does not grow with ``resamples``.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; Koehn 2004, aclanthology.org/W04-3250 (paired).
    """
    if num_rows == 0:
        raise ValueError("no rows, no interval")
    generator = np.random.default_rng(seed)
    draws = [statistic(generator.integers(0, num_rows, num_rows)) for _ in range(resamples)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return statistic(np.arange(num_rows)), float(low), float(high)


def over_sums(counts: npt.ArrayLike, score: Callable[[npt.NDArray[np.float64]], float]) -> Callable[[Rows], float]:
    """A metric of all rows together as a function of row numbers, with repetition, for ``bootstrap``.

    ``counts`` (rows, n) are what each row adds: entities found, given and true, for example; ``score`` makes the metric of their sums (n,).
    """
    table = np.asarray(counts, float)
    return lambda rows: score(table[rows].sum(axis=0))


def flips(base_correct: npt.ArrayLike, tuned_correct: npt.ArrayLike) -> dict[str, int]:
    """Rows that tuning made better (``fixed``) and worse (``broken``): errors mended and made, where rows are right or wrong."""
    base, tuned = np.asarray(base_correct, float), np.asarray(tuned_correct, float)
    return {"fixed": int((tuned > base).sum()), "broken": int((tuned < base).sum())}
