"""Activation checkpointing: a layer keeps what it was given, and computes the rest again when its gradient is due."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute(module: nn.Module) -> int:
    """Let every layer of a model of transformers compute its activations twice, and keep none. Returns how many layers will.

    Random numbers are drawn again as they were, so that a gradient stays the same to the last bit. Layers in evaluation mode, and
    passes without a gradient, are as before. No layer is found in families that do not part their blocks (ALBERT, XLNet).

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 3.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    able: list[Any] = [part for part in module.modules() if hasattr(part, "gradient_checkpointing")]
    for part in able:  # models have to know as well: they keep no keys and values for later tokens then
        part.gradient_checkpointing = True
        part._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    return sum(isinstance(part, GradientCheckpointingLayer) for part in able)
