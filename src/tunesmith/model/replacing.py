"""Tokens in the place of others, which a model or a table of frequencies draws, and what a detector says of each (Clark et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward


@dataclass(frozen=True)
class Replacer:
    """Draws the tokens that are to stand in the place of others.

    ``chances``      (1, vocabulary) how often each token is drawn, where no model draws
    ``generator``    a masked language model that reads masks in their places, or None
    ``tokenizer``    of both: its special tokens are never drawn
    ``temperature``  what the logits of the generator are divided by
    """

    chances: Tensor
    generator: nn.Module | None
    tokenizer: Any
    temperature: float = 1.0

    def replaced(self, batch: Batch, forward: Forward) -> tuple[Batch, Tensor]:
        """The batch with other tokens where ``asked``, and which of the ``real`` ones are others: (tokens,) of 0 and 1.

        A function of the batch, whose ``draws`` decide. A token that is drawn where it stood is no other.
        """
        batch = batch.to(forward.device)
        ids, asked = batch.inputs["input_ids"], batch.targets["asked"]
        new = ids.clone()
        if asked.any():
            new[asked] = drawn(self._chances(batch.inputs, asked), batch.targets["draws"][asked])
        return replace(batch, inputs={**batch.inputs, "input_ids": new}), (new != ids)[batch.targets["real"]].long()

    def _chances(self, inputs: Mapping[str, Tensor], asked: Tensor) -> Tensor:
        """The chance of each token where one is asked for: (asked or 1, vocabulary)."""
        if self.generator is None:
            return self.chances.to(asked.device)
        masked = {**inputs, "input_ids": inputs["input_ids"].masked_fill(asked, self.tokenizer.mask_token_id)}
        with torch.no_grad():
            logits = self.generator.to(asked.device)(**masked).logits[asked][:, : len(self.tokenizer)].float() / self.temperature
        special = torch.tensor(self.tokenizer.all_special_ids, device=asked.device)
        chances: Tensor = logits.index_fill(1, special, -torch.inf).softmax(dim=1)
        return chances


def drawn(chances: Tensor, draws: Tensor) -> Tensor:
    """A token for each of ``draws`` (tokens,) from [0, 1): where the sum of ``chances``, (tokens or 1, vocabulary), passes it.

    Chances need not add up to 1; a token of chance 0 is never drawn.
    """
    passed = chances.double().cumsum(dim=1).expand(len(draws), -1).contiguous()
    return torch.searchsorted(passed, draws.double()[:, None] * passed[:, -1:], right=True)[:, 0]


def detection_logits(batch: Batch, forward: Forward) -> Tensor:
    """The float32 logits of original and replaced at each ``real`` token of a batch: (tokens, 2).

    ELECTRA's own head gives one number, which is that of replaced where original has 0.
    """
    real, scores = batch.targets["real"], forward(batch).logits.float()
    scores = torch.stack([torch.zeros_like(scores), scores], dim=2) if scores.dim() == 2 else scores
    return scores[:, -real.shape[1] :][real]
