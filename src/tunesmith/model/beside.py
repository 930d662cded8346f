"""Modules that learn beside a model: within a run, with its optimizer and checkpoints, and no part of what is saved."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from tunesmith.core.run import Run
from tunesmith.model.backbone import describe


def learn_beside(run: Run, name: str, part: nn.Module) -> None:
    """Let ``part`` learn with the model of a run, as its module ``name``.

    It comes after every ``adapt``, so that no adapter takes it for the head of the task.
    """
    run.model.add_module(name, part.to(run.device).train())
    run.model.register_state_dict_post_hook(partial(_leave_out, name))  # type: ignore[no-untyped-call]
    run.params = {**describe(run.model, set(run.params)), **run.params}


def _leave_out(part: str, module: nn.Module, state: dict[str, Any], prefix: str, about: Any) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}{part}.")]:
        del state[name]
