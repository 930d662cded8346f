"""How well a language model foresees texts, from sums over their tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.metrics.interval import Rows, over_sums

SUMS = ("loss", "right", "tokens")  # what predictions hold that are judged so, in the order in which it is given here
_MOST = 700.0  # above it, a perplexity is no number any more


def likelihood(losses: Sequence[float], rights: Sequence[int], tokens: Sequence[int]) -> dict[str, float]:
    """``loss``, ``perplexity`` and ``token_accuracy`` over the tokens of all texts.

    For each text: ``losses`` is the sum of -log P of its tokens, in nats; ``rights`` how many of them were the likeliest ones;
    ``tokens`` how many there are. Perplexity is exp(loss) (Jelinek et al. 1977).
    """
    count = max(1, sum(tokens))
    loss = math.fsum(losses) / count
    return {"loss": loss, "perplexity": math.exp(min(loss, _MOST)), "token_accuracy": sum(rights) / count}


def bits_per_byte(sums: npt.ArrayLike) -> float:
    """What a byte of text costs, from the summed loss in nats and the number of bytes: (2,)."""
    loss, size = np.asarray(sums, float).tolist()
    return float(loss / math.log(2) / max(1, size))


def likelihood_over(metric: str, losses: Sequence[float], rights: Sequence[int], tokens: Sequence[int]) -> Callable[[Rows], float] | None:
    """A metric of ``likelihood`` as a function of the numbers of texts, with repetition; None for another metric, NaN without tokens."""
    if metric not in likelihood(losses, rights, tokens):
        return None
    counts = np.stack([losses, rights, tokens], axis=1)
    return over_sums(counts, lambda sums: likelihood(*sums[:, None].tolist())[metric] if sums[2] else math.nan)
