"""How the next token is chosen and when a text ends, row by row, so that no row depends on what is generated beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation import logits_process as ready_made

from tunesmith.core.run import seed_of
from tunesmith.model.decoding import Decoding


def processors(decoding: Decoding, rows: Sequence[int], written_from: int, limit: int) -> Any:
    """What changes logits before the highest is taken, in the order of transformers; ``rows`` tell the rows' random numbers apart."""
    chain: list[Any] = []
    if decoding.repetition_penalty != 1.0:
        chain.append(OfTheAnswer(ready_made.RepetitionPenaltyLogitsProcessor(float(decoding.repetition_penalty)), written_from))
    if decoding.no_repeat_ngram:
        chain.append(OfTheAnswer(ready_made.NoRepeatNGramLogitsProcessor(decoding.no_repeat_ngram), written_from))
    if decoding.temperature:
        chain.append(ready_made.TemperatureLogitsWarper(float(decoding.temperature)))
        chain += [ready_made.TopKLogitsWarper(decoding.top_k)] if decoding.top_k else []
        chain += [ready_made.TopPLogitsWarper(decoding.top_p)] if decoding.top_p < 1 else []
        chain.append(Draw([seed_of(decoding.seed, row) for row in rows], written_from, limit))
    return LogitsProcessorList(chain)


def stopping(tokenizer: Any, stop: Sequence[str], written_from: int) -> Any:
    """When a text ends before an end token and the most tokens."""
    return StoppingCriteriaList([Stopped(tokenizer, stop, written_from)] if stop else [])


class OfTheAnswer(LogitsProcessor):  # type: ignore[misc]
    """Shows a processor what was written and not the prompt, whose words an answer may repeat, nor the padding before it."""

    def __init__(self, inner: Any, written_from: int) -> None:
        self.inner, self.written_from = inner, written_from

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        chosen: Tensor = self.inner(input_ids[:, self.written_from :], scores)
        return chosen


class Draw(LogitsProcessor):  # type: ignore[misc]
    """Draws a token for each row with random numbers of the row's own, and leaves it as the only one that can be chosen.

    The token is where the cumulative distribution passes a number drawn from [0, 1).
    """

    def __init__(self, seeds: Sequence[int], written_from: int, limit: int) -> None:
        numbers = [torch.rand(limit, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds]
        self.numbers, self.written_from = torch.stack(numbers), written_from  # (batch, limit)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        passed = scores.double().softmax(dim=-1).cumsum(dim=-1)  # (batch, vocabulary)
        numbers = self.numbers[:, input_ids.shape[1] - self.written_from, None].to(scores.device)
        tokens = torch.searchsorted(passed, numbers * passed[:, -1:], right=True)  # right: a token of probability 0 is never drawn
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens, 0.0)


class Stopped(StoppingCriteria):  # type: ignore[misc]
    """Ends a row as soon as one of some texts is in what it wrote."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], written_from: int) -> None:
        self.tokenizer, self.stop, self.written_from = tokenizer, stop, written_from
        self.longest = max(len(text.encode()) for text in stop) + 4  # in tokens, each of which holds a byte at least

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        written = self.tokenizer.batch_decode(input_ids[:, max(self.written_from, input_ids.shape[1] - self.longest) :])
        return torch.tensor([any(text in one for text in self.stop) for one in written], device=input_ids.device)
