"""Augmentation by a masked language model: words are replaced by others that it would expect there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.core.setting import Named, setting
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.data.changed import EXAMPLES, changed_texts
from tunesmith.data.text import pad_texts
from tunesmith.data.units import longest
from tunesmith.model.language import language_of
from tunesmith.model.substitute import frozen_copy
from tunesmith.model.teacher import masked_model


@dataclass
class MaskAugment(Strategy):
    """Gives the model a share of the rows with some tokens replaced by what a masked language model expects in their places.

    Formula: with probability share, tokens of a row are masked with probability rate, one at least, and drawn from the ``top`` likeliest
    of P(token | the other tokens), to the power 1 / temperature.
    Use when: there are fewer than some thousand rows, and a masked language model of their language; it keeps sentences natural.
    Cost: memory: the weights of the masked model more; time x1 + 0.33 * share.
    Source: Wu et al. 2019, "Conditional BERT Contextual Augmentation", section 3 without the label; Kobayashi 2018, equation 1.
    Differs: the model does not know the label, so that a word that decides it may change; tokens are replaced, not whole words. The
    masked model is the run's own before tuning, unless one is named.
    """

    share: float = setting(0.5, "probability that a row is changed, 0 to 1", low=0, high=1)
    rate: float = setting(0.15, "share of its tokens that is replaced", above=0, high=0.9)
    top: int = setting(20, "how many of the likeliest tokens are drawn from", low=1)
    temperature: float = setting(1.0, "above 1 unlikelier tokens come more often", above=0)
    model: Named = setting("", "a masked language model with the same tokenizer: a folder, hub id or sample; the run's own when not said")

    needs: ClassVar[frozenset[str]] = frozenset({"labels of whole texts"})
    rewrites: ClassVar[bool] = True
    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> MaskAugment:
        return cls(share=1.0, rate=0.3)

    def begin(self, run: Run) -> None:
        self._proposer: nn.Module | None = None
        if not self.share:
            return
        if run.tokenizer.mask_token_id is None:
            raise InputError(Problem("mask_augment: the tokenizer has no token that masks", "See augment, which needs none"))
        if not self.model:
            self._proposer = own(run)
        else:
            self._proposer = masked_model(self.model, run.tokenizer, longest(run.train), "mask_augment", run.say).to(run.device)
        first = [run.train[item] for item in range(min(EXAMPLES, len(run.train)))]
        self._changes = changed_texts(zip(first, self._changed(self._proposer, first, run, 1.0), strict=True), run.tokenizer)

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for rows in batches:
            yield rows if self._proposer is None else self._changed(self._proposer, rows, run, self.share)

    def _changed(self, proposer: nn.Module, rows: Rows, run: Run, share: float) -> Rows:
        generator = run.generator("mask_augment")
        draws = torch.rand(len(rows), generator=generator)
        places = [place for place in range(len(rows)) if draws[place] < share]
        special = torch.tensor(run.tokenizer.all_special_ids)
        places = [place for place in places if not torch.isin(torch.tensor(rows[place]["input_ids"]), special).all()]
        if not places:
            return rows
        inputs, _ = pad_texts([rows[place] for place in places], run.tokenizer)
        ids = inputs["input_ids"]
        draws = torch.rand(ids.shape, generator=generator).masked_fill(torch.isin(ids, special), 2.0)
        asked = (draws < self.rate) | (draws == draws.amin(dim=1, keepdim=True))
        masked = inputs | {"input_ids": ids.masked_fill(asked, run.tokenizer.mask_token_id)}
        with torch.no_grad(), run.forward.precision():
            logits = proposer(**{name: tensor.to(run.device) for name, tensor in masked.items()}).logits
        ids[asked] = proposed(logits[asked.to(run.device)].float().cpu(), special, self.top, self.temperature, generator)
        real = inputs.get("attention_mask", torch.ones_like(ids)).bool()
        new = {place: ids[row][real[row]].tolist() for row, place in enumerate(places)}
        return [{**row, "input_ids": new[place]} if place in new else row for place, row in enumerate(rows)]


def proposed(logits: Tensor, special: Tensor, top: int, temperature: float, generator: torch.Generator) -> Tensor:
    """A token for each row of logits (places, tokens), drawn from the ``top`` likeliest that are not ``special``: (places,)."""
    ordinary = logits.index_fill(1, special[special < logits.shape[1]], -torch.inf)
    values, tokens = ordinary.topk(min(top, ordinary.shape[1]), dim=1)
    drawn = torch.multinomial((values / temperature).softmax(dim=1), 1, generator=generator)
    return tokens.gather(1, drawn)[:, 0]


def own(run: Run) -> nn.Module:
    """The masked language model that the run's model was before tuning, as a copy."""
    language = language_of(run)
    if language.causal:
        raise InputError(
            Problem("mask_augment: the model predicts next tokens, not masked ones", "Name a masked one: model: ..., or see augment")
        )
    if language.fresh:
        run.say(
            "mask_augment: the model comes without its head of pre-training, so what it proposes is chance; name a masked model: model: ..."
        )
    return frozen_copy(language.model)
