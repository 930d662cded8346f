"""How well a language model foresees texts, from sums over their tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

_MOST = 700.0  # above it, a perplexity is no number any more


def likelihood(losses: Sequence[float], rights: Sequence[int], tokens: Sequence[int]) -> dict[str, float]:
    """``loss``, ``perplexity`` and ``token_accuracy`` over the tokens of all texts.

    For each text: ``losses`` is the sum of -log P of its tokens, in nats; ``rights`` how many of them were the likeliest ones;
    ``tokens`` how many there are. Perplexity is exp(loss) (Jelinek et al. 1977).
    """
    count = max(1, sum(tokens))
    loss = math.fsum(losses) / count
    return {"loss": loss, "perplexity": math.exp(min(loss, _MOST)), "token_accuracy": sum(rights) / count}


def likelihood_over(
    metric: str, losses: Sequence[float], rights: Sequence[int], tokens: Sequence[int]
) -> Callable[[npt.NDArray[np.int64]], float] | None:
    """A metric of ``likelihood`` as a function of the numbers of texts, with repetition; None for another metric."""
    sums = np.array([losses, rights, tokens], float)
    if metric not in likelihood(losses, rights, tokens):
        return None
    return lambda rows: likelihood(*sums[:, rows].sum(axis=1, keepdims=True).tolist())[metric]
