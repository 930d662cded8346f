"""Keys and values of prompts and of what is written behind them: as few as can be computed, and none copied at each step."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from tunesmith.model.body import body, whole

PADDING = 256  # positions of padding that another pass over the weights must save


class Roomy(DynamicLayer):  # type: ignore[misc]
    """Keys and values of a layer, in memory for ``room`` positions from the beginning: a step copies its own position and no other."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def update(self, key_states: Tensor, value_states: Tensor, *given: Any, **settings: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.kept = [states.new_empty(*states.shape[:2], self.room, states.shape[3]) for states in (key_states, value_states)]
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        if end > self.room:
            return super().update(key_states, value_states)  # type: ignore[no-any-return]
        for kept, states in zip(self.kept, (key_states, value_states), strict=True):
            kept[:, :, start:end] = states
        self.keys, self.values = (kept[:, :, :end] for kept in self.kept)
        return self.keys, self.values


@torch.no_grad()
def past(module: nn.Module, ids: Tensor, mask: Tensor, written: int) -> DynamicCache | None:
    """A cache with room for prompts and ``written`` tokens behind them, which holds all but the last token of each prompt, or nothing.

    ``ids`` and ``mask`` (batch, length), the longest prompt first, padded on the left. Prompts of like length are computed together,
    where that saves padding. None for families that keep something else than the keys and values of all positions.
    """
    inner = body(module)
    if inner is None or not _keeps_all(module):
        return None
    cache = DynamicCache()
    cache.layer_class_to_replicate = partial(Roomy, ids.shape[1] + written)
    groups, before = list(_groups((mask.sum(dim=1) - 1).tolist())), ids.shape[1] - 1
    if len(groups) == 1 or "position_ids" not in inspect.signature(inner.forward).parameters:
        return cache
    parts = []
    for rows, length in groups:
        there = slice(before - length, before)
        real = mask[rows, there]
        positions = (real.cumsum(dim=1) - 1).clamp_min(0)
        found = inner(input_ids=ids[rows, there], attention_mask=real, position_ids=positions, use_cache=True).past_key_values
        parts.append([[F.pad(states, (0, 0, before - length, 0)) for states in (layer.keys, layer.values)] for layer in found.layers])
    for number, layers in enumerate(zip(*parts, strict=True)):
        keys, values = (torch.cat(tensors) for tensors in zip(*layers, strict=True))
        cache.update(keys, values, number)
    return cache


def _keeps_all(module: Any) -> bool:
    """Whether each layer keeps the keys and values of all positions, and no learned prompt of peft stands before them."""
    learned = getattr(getattr(module, "active_peft_config", None), "is_prompt_learning", False)
    model = whole(module)
    if learned or model.config.is_encoder_decoder or not model._supports_default_dynamic_cache():
        return False
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config.get_text_config(decoder=True)).layers)


def _groups(lengths: Sequence[int]) -> Iterator[tuple[slice, int]]:
    """Rows that are computed together, and the length of the longest of them; ``lengths`` in falling order, 0 or more."""
    start = 0
    for row, length in enumerate(lengths):
        if (lengths[start] - length) * (len(lengths) - row) >= PADDING and length:
            yield slice(start, row), lengths[start]
            start = row
    yield slice(start, len(lengths)), lengths[start]
