"""Pre-training loss: what pre-training did goes on beside the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Column
from tunesmith.data.columns import find
from tunesmith.data.masking import chosen, masked
from tunesmith.data.source import read
from tunesmith.data.text import MODEL_INPUTS, encode_texts, pad_texts
from tunesmith.model.language import Language, language_of
from tunesmith.model.mean_layer import ends_in_mean

COLUMN = Column("text", ("text", "sentence", "content", "body", "review"))


@dataclass
class PretrainLoss(Strategy):
    """Adds the loss of the model's own pre-training, on the texts of the run or on others, so that tuning does not unlearn it.

    Formula: L_task + strength * L_pretrain, the mean over texts of -log P of masked tokens (encoders) or of next tokens (decoders).
    Use when: data are few, or their language is not that of pre-training: the model learns its words while it learns the task.
    Cost: memory x1.5 (the activations of a second pass, and the head of pre-training), time x2.
    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", equation 5; masks: Devlin et al. 2019,
    "BERT: Pre-training of Deep Bidirectional Transformers", section 3.1.
    Differs: each text counts alike, however long, and is asked for one token at least. A head that is in no file starts anew, tied to the
    embeddings; the head learns too, and is not shipped.
    """

    strength: float = setting(0.5, "lambda, the weight of the pre-training loss; 0 is none", low=0)
    texts: str = setting("", "other texts: a file (from the working folder), a sample or a hub id; those of the run when not said")
    rate: float = setting(0.15, "encoders: share of the tokens that is asked for", above=0, high=0.9)
    max_length: int = setting(128, "longest of the other texts in tokens; longer ones are cut", low=8)

    owns: ClassVar[frozenset[str]] = frozenset({"the last state of each token"})
    all_tokens: ClassVar[bool] = True

    def begin(self, run: Run) -> None:
        self._language: Language | None = None
        self._others: list[dict[str, Any]] = []
        if not self.strength:
            return
        if ends_in_mean(run.model):
            message = "pretrain_loss: the model ends in a layer that gives every position the mean of all, which names no token"
            raise InputError(Problem(message, "Take pretrain_loss or mean_pooling out of strategies"))
        self._language = language_of(run)
        self._language.attach(run)
        if not self._language.causal and run.tokenizer.mask_token_id is None:
            raise InputError(Problem("pretrain_loss: the tokenizer has no token that masks", "Take pretrain_loss out of strategies"))
        if self.texts:
            self._others = encode_texts(texts_of(self.texts), None, run.tokenizer, self.max_length)
        if self._language.fresh:
            run.say("pretrain_loss: the model comes without its head of pre-training, so one starts anew")

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        loss = inner(batch)
        if self._language is None:
            return loss
        generator = run.generator("pretrain_loss")
        inputs = self._inputs(batch, run, generator)
        ids, real = inputs["input_ids"], real_of(inputs)
        if self._language.causal:
            asked = torch.zeros_like(real)
            asked[:, :-1] = real[:, :-1] & real[:, 1:]
            if "position_ids" in inputs:  # what begins another text in the row is not foreseen
                asked[:, :-1] &= inputs["position_ids"].diff(dim=1) == 1
            wanted = ids.roll(-1, dims=1)
        else:
            special = torch.isin(ids, torch.tensor(run.tokenizer.all_special_ids, device=ids.device))
            asked = chosen(real & ~special, self.rate, generator)
            inputs, wanted = inputs | {"input_ids": masked(ids, asked, run.tokenizer, generator)}, ids
        with run.forward.precision():
            losses = self._language.token_losses(inputs, asked, wanted[asked])  # (tokens,)
        shares = asked / asked.sum(dim=1, keepdim=True).clamp_min(1)  # (batch, length)
        return loss.penalty("pretrain_loss", self.strength * (losses * shares[asked]).sum() / len(asked))

    def _inputs(self, batch: Batch, run: Run, generator: torch.Generator) -> dict[str, Tensor]:
        """Texts to learn from: those of the batch, or as many of the others."""
        if not self._others:
            return {name: batch.inputs[name] for name in (*MODEL_INPUTS, "attention_mask", "position_ids") if name in batch.inputs}
        drawn = torch.randint(len(self._others), (len(batch),), generator=generator).tolist()
        inputs, _ = pad_texts([self._others[text] for text in drawn], run.tokenizer)
        return {name: tensor.to(run.device) for name, tensor in inputs.items()}


def texts_of(spec: str) -> list[str]:
    """The texts of a file, sample or hub data set. Raises ``InputError`` where it has none."""
    rows, _ = read(spec)
    header = find([COLUMN], rows.columns, file=rows.place(0)[0])["text"]
    texts = [text for text in rows.column(header) if isinstance(text, str) and text.strip()]
    if not texts:
        raise InputError(Problem("there is no text", "Give one on each line", rows.place(0)[0], column=header))
    return texts


def real_of(inputs: dict[str, Tensor]) -> Tensor:
    """Which positions are no padding, (batch, length): all where no mask says so."""
    mask = inputs.get("attention_mask")
    return torch.ones_like(inputs["input_ids"], dtype=torch.bool) if mask is None or mask.dim() > 2 else mask.bool()
