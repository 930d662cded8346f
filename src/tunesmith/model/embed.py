"""Texts as vectors: the mean of the last hidden states of a model's backbone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from tunesmith.model.build import Model

POSITIONS = 8192  # padded positions that go through the model at once


def embed(model: Model, texts: Sequence[str], max_length: int, precision: AbstractContextManager[Any]) -> Tensor:
    """The vectors of texts, (texts, hidden) in float32, without gradient; each text is cut at ``max_length`` tokens.

    An encoder-decoder gives those of its encoder. ``precision`` is entered around the forward passes.
    """
    whole: Any = model.module
    module: Any = getattr(whole, "get_base_model", lambda: whole)().base_model
    module = module.get_encoder() if module.config.is_encoder_decoder else module
    device = next(module.parameters()).device
    model.module.eval()
    coded = model.tokenizer(list(texts), truncation=True, max_length=min(max_length, model.tokenizer.model_max_length))
    lengths = [len(ids) for ids in coded["input_ids"]]
    order = sorted(range(len(texts)), key=lambda i: lengths[i])
    vectors: list[Tensor] = []
    with torch.inference_mode(), precision:
        for chunk in _chunks(order, lengths):
            inputs = model.tokenizer.pad({name: [coded[name][i] for i in chunk] for name in coded}, return_tensors="pt").to(device)
            states = module(**inputs).last_hidden_state.float()  # (batch, length, hidden)
            mask = inputs["attention_mask"][..., None].float()
            vectors.append((states * mask).sum(dim=1) / mask.sum(dim=1))
    stacked = torch.cat(vectors).cpu()
    restored = torch.empty_like(stacked)
    restored[order] = stacked
    return restored


def _chunks(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Rows in order of length, in pieces of at most ``POSITIONS`` padded positions."""
    chunks: list[list[int]] = [[]]
    for i in order:
        if chunks[-1] and (len(chunks[-1]) + 1) * lengths[i] > POSITIONS:
            chunks.append([])
        chunks[-1].append(i)
    return chunks
