"""Nested dictionaries and lists of tensors and JSON values, as one safetensors file and one JSON file. Nothing is pickled."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

TENSOR = "$tensor"


def save_tree(tree: Any, stem: Path) -> list[Path]:
    """Write ``tree`` as ``stem.json`` and ``stem.safetensors``, flushed to the disk. Returns the two files.

    Raises ``TypeError`` for anything that is neither a tensor nor a JSON value, naming its path: memories must be plain.
    """
    tensors: dict[str, Tensor] = {}
    plain = _split(tree, "", tensors)
    paths = [stem.with_suffix(".safetensors"), stem.with_suffix(".json")]
    # A copy only where views share memory: safetensors refuses those.
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, paths[0])
    paths[1].write_text(json.dumps(plain, ensure_ascii=False, allow_nan=True), encoding="utf-8")
    for path in paths:
        flush(path)
    return paths


def load_tree(stem: Path, device: torch.device | str = "cpu") -> Any:
    """Read what ``save_tree`` wrote, its tensors on ``device``."""
    plain = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    return _join(plain, load_file(stem.with_suffix(".safetensors"), str(device)))


def flush(path: Path) -> None:
    """Force a file, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _split(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value
        return {TENSOR: path}
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise TypeError(f"{path or 'tree'}: the key {wrong[0]!r} is not a text")
        return {key: _split(item, f"{path}/{key}", tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_split(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{path or 'tree'}: {type(value).__name__} is neither a tensor nor a JSON value")


def _join(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value[TENSOR]] if value.keys() == {TENSOR} else {key: _join(item, tensors) for key, item in value.items()}
    return [_join(item, tensors) for item in value] if isinstance(value, list) else value
