"""Other weights beside a model's own, or in their place: within one loss, or while the model is judged and shipped."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def substituted(module: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Within, the module computes with ``tensors`` in the place of its parameters of those names, tied ones among them.

    Gradients pass through them, and the parameters stay untouched: graphs that were made before stay valid. An attribute of the
    instance is found before a parameter of the same name, which is all that this takes.
    """
    parameters = dict(module.named_parameters())
    instead = {id(parameters[name]): tensor for name, tensor in tensors.items()}
    places = [(vars(part), name, instead[id(p)]) for part in module.modules() for name, p in part._parameters.items() if id(p) in instead]
    before = [(held, name, held[name]) for held, name, _ in places if name in held]
    try:
        for held, name, tensor in places:
            held[name] = tensor
        yield
    finally:
        for held, name, _ in places:
            del held[name]
        for held, name, tensor in before:
            held[name] = tensor


@contextmanager
def swapped(module: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Within, the parameters named in ``values`` hold these values; afterwards their own again, to the last bit."""
    weights = {name: weight for name, weight in module.named_parameters() if name in values}
    kept = {name: weight.detach().clone() for name, weight in weights.items()}
    copy_into(weights, values)
    try:
        yield
    finally:
        copy_into(weights, kept)


@torch.no_grad()
def copy_into(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy ``values`` by name into ``weights``, in place."""
    for name, weight in weights.items():
        weight.copy_(values[name])


def frozen_copy(module: nn.Module, shared: AbstractSet[str] = frozenset()) -> nn.Module:
    """A copy in evaluation mode that never learns; parameters named in ``shared``, which never change either, are not copied."""
    weights = dict(module.named_parameters())
    memo: dict[int, object] = {id(weights[name]): weights[name] for name in shared}
    copied = copy.deepcopy(module, memo).eval()
    for name, weight in copied.named_parameters():
        if name not in shared:
            weight.requires_grad_(False)
    return copied
