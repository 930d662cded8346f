"""Another model beside that of a run: one that knows its task, to learn from or to say how hard the rows are, or one that fills masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.core.task import Head
from tunesmith.core.words import Say
from tunesmith.model.build import Model, build
from tunesmith.model.tokenizer import positions_of


def taught(spec: str, run: Run, strategy: str) -> Model:
    """The model that ``spec`` names, for ``strategy``.

    Raises ``InputError`` where its labels or its vocabulary are not those of the run.
    """
    with torch.random.fork_rng():
        model = build(spec, run.task.head(), run.say)
    if model.fresh:
        message = f"{strategy}: the model {spec} has no head for this task and its labels ({', '.join(model.fresh[:2])} would be new)"
        raise InputError(Problem(message, "Tune it on the same task and labels first, and name its run"))
    if vocabulary(model.tokenizer) != vocabulary(run.tokenizer):
        remedy = "Name one with the same tokenizer, or begin from a model of its family"
        raise InputError(Problem(f"{strategy}: the model {spec} has another vocabulary than the one that is tuned", remedy))
    return model


def masked_model(spec: str, tokenizer: Any, longest: int, asking: str, say: Say | None = None) -> nn.Module:
    """The masked language model that ``spec`` names, in evaluation mode and without gradients; ``asking`` is what messages begin with.

    Raises ``InputError`` where it has no such head, another vocabulary than ``tokenizer``, or positions for fewer tokens than ``longest``.
    """
    with torch.random.fork_rng():
        built = build(spec, Head("AutoModelForMaskedLM", {}), say)
    if built.fresh:
        raise InputError(Problem(f"{asking}: {spec} has no head for masked tokens", "Name a masked language model"))
    if vocabulary(built.tokenizer) != vocabulary(tokenizer):
        message = f"{asking}: {spec} has another vocabulary than the model that is tuned"
        raise InputError(Problem(message, "Name one of the same family"))
    if 0 < (room := positions_of(built.module)) < longest:
        message = f"{asking}: {spec} reads {room:,} tokens at most, and rows have up to {longest:,}"
        raise InputError(Problem(message, f"Name one that reads as many, or write task.max_length: {room}"))
    return built.module.eval().requires_grad_(False)


def vocabulary(tokenizer: object) -> object:
    """The ids of all tokens by their texts; None for what reads no text."""
    text = getattr(tokenizer, "tokenizer", tokenizer)  # a processor holds one
    return text.get_vocab() if hasattr(text, "get_vocab") else None
