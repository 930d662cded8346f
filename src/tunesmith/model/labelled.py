"""The scores of a language model where a token is to be learned, and nowhere else: the output matrix is its largest product."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward

IGNORED = -100


def labelled_logits(batch: Batch, forward: Forward) -> tuple[Tensor, Tensor]:
    """The float32 logits (tokens, vocabulary) of the labelled positions of a batch, and the tokens that are to be there (tokens,).

    ``batch.targets["labels"]`` (batch, length) holds at each position of the output the token that comes next, -100 for none.
    """
    labels = batch.targets["labels"].to(forward.device)
    there = labels != IGNORED

    def only_there(matrix: Any, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (states[0][there], *states[1:])  # (batch, length, hidden) -> (tokens, hidden)

    whole: Any = getattr(forward.module, "get_base_model", lambda: forward.module)()
    hook = whole.get_output_embeddings().register_forward_pre_hook(only_there)
    try:
        logits: Tensor = forward(batch).logits
    finally:
        hook.remove()
    return logits.float(), labels[there]
