"""Another model that knows the task of a run: one to learn from, or to say how hard the rows are."""

from __future__ import annotations

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.model.build import Model, build


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


def vocabulary(tokenizer: object) -> object:
    """The ids of all tokens by their texts; None for what reads no text."""
    text = getattr(tokenizer, "tokenizer", tokenizer)  # a processor holds one
    return text.get_vocab() if hasattr(text, "get_vocab") else None
