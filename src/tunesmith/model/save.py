"""Saving a model as any library can load it, and telling two models apart by their weights."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from tunesmith.core.errors import DiskError, Problem
from tunesmith.model import bottleneck, neighbours
from tunesmith.model.adapters import is_adapted, merged
from tunesmith.model.build import Model
from tunesmith.model.files import open_up
from tunesmith.model.quiet import quiet


def save(model: Model, folder: Path) -> None:
    """Write a plain Hugging Face folder into ``folder``, which is empty or absent: configuration, safetensors and tokenizer.

    A ``PeftModel`` becomes a plain PEFT folder: its adapter alone, with the name of its base model; around a pair of models, which no
    folder holds, it is merged. Bottlenecks and neighbours get files of their own. Raises ``DiskError`` when the disk is full.
    """
    module: Any = model.module
    if is_adapted(module) and model.source and model.source.parts:
        module = merged(copy.deepcopy(module))
    with _writing(folder), quiet():
        folder.mkdir(parents=True, exist_ok=True)
        if is_adapted(module):
            module.save_pretrained(folder, save_embedding_layers=False)  # "auto" would ask the hub
            (folder / "README.md").unlink(missing_ok=True)  # peft's card says nothing yet of what was tuned
        else:
            with bottleneck.without(module):
                module.save_pretrained(folder)
            bottleneck.write(module, folder)
        neighbours.write(model.module, folder)
        if model.tokenizer is not None:
            model.tokenizer.save_pretrained(folder)
        open_up(folder)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise DiskError(Problem(f"the model cannot be written ({error})", "Free some space", str(folder))) from error


def digest(module: nn.Module) -> str:
    """The SHA-256 of a module's weights: equal for equal names, types, shapes and bytes, on every machine of the same byte order."""
    state = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return state.hexdigest()
