"""The labels of a classifier that was tuned before: its weights follow the names, not the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def follow(module: Any, before: Mapping[Any, str], after: Mapping[Any, str]) -> tuple[str, ...]:
    """Make the output layer of a loaded classifier mean the labels ``after`` where its weights mean ``before``, both by number.

    The same names in another order: the rows of weights change places. Other names: the layer is drawn anew, and the names of its
    parameters are returned. Names are compared without case; names that say nothing (``LABEL_0``) are taken to agree.
    """
    old, new = (_names(labels) for labels in (before, after))
    if old == new or len(old) != len(new) or all(name == f"label_{i}" for i, name in enumerate(old)):
        return ()
    name, layer = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Linear) and part.out_features == len(new)][
        -1
    ]
    if set(old) != set(new):
        nn.init.normal_(layer.weight, std=getattr(module.config, "initializer_range", 0.02))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return tuple(f"{name}.{inner}" for inner, _ in layer.named_parameters())
    order = torch.tensor([old.index(label) for label in new])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(parameter[order].clone())
    return ()


def _names(labels: Mapping[Any, str]) -> list[str]:
    """Names in order of their numbers, which JSON keeps as texts."""
    return [str(labels[key]).lower() for key in sorted(labels, key=int)]
