"""The scores of a language model where a token is to be learned, and nowhere else: the output matrix is its largest product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.model.body import body, recorded, replayed, whole

IGNORED = -100
LOGITS = 2**26  # numbers that logits hold at once: 256 MB


def labelled_logits(batch: Batch, forward: Forward) -> tuple[Tensor, Tensor]:
    """The float32 logits (tokens, vocabulary) of the labelled positions of a batch, and the tokens that are to be there (tokens,).

    ``batch.targets["labels"]`` (batch, length) holds at each position of the output the token that comes next, -100 for none.
    """
    labels = batch.targets["labels"].to(forward.device)
    with _only_at(forward, labels != IGNORED):
        logits: Tensor = forward(batch).logits
    return logits.float(), labels[labels != IGNORED]


def labelled_losses(batch: Batch, forward: Forward, most: int = LOGITS) -> tuple[Tensor, Tensor]:
    """-log P of each token that is to be learned, (tokens,) in float32, and whether it is the likeliest one, (tokens,).

    Equal to cross-entropy of ``labelled_logits``. There are never more than ``most`` logits, those of one token at least: the head is
    computed for some tokens at a time, and again for the gradient (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
    """
    labels = batch.targets["labels"].to(forward.device)
    there = labels != IGNORED
    model, inner = whole(forward.module), body(forward.module)
    if inner is None:
        raise InputError(Problem(f"{type(model).__name__} has no head that writes", "Name a decoder such as GPT-2 or Llama"))
    with recorded(inner) as outputs, _only_at(forward, torch.zeros_like(there)):
        forward(batch)
    [output], tokens = outputs, labels[there]
    hidden = output[0][:, -there.shape[1] :][there]  # (tokens, hidden): a prompt that was learned may stand before the text

    def of_some(states: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        with forward.precision(), replayed(inner, [type(output)(last_hidden_state=states[None])]):
            logits = model(input_ids=right[None], use_cache=False).logits[0].float()  # (some tokens, vocabulary)
        return F.cross_entropy(logits, right, reduction="none"), logits.argmax(dim=-1) == right

    size = max(1, most // model.config.get_text_config().vocab_size)
    parts = list(zip(torch.split(hidden, size), torch.split(tokens, size), strict=True))
    if len(parts) == 1:
        return of_some(*parts[0])
    found = [checkpoint(of_some, *part, use_reentrant=False) for part in parts]
    return torch.cat([losses for losses, _ in found]), torch.cat([right for _, right in found])


@contextmanager
def _only_at(forward: Forward, there: Tensor) -> Iterator[None]:
    """Within, the output matrix is computed where ``there`` (batch, length) is true: logits are (tokens, vocabulary)."""

    def only_there(matrix: Any, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (states[0][:, -there.shape[1] :][there], *states[1:])  # (batch, length, hidden) -> (tokens, hidden)

    hook = whole(forward.module).get_output_embeddings().register_forward_pre_hook(only_there)
    try:
        yield
    finally:
        hook.remove()
