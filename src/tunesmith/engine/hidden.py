"""Hidden states by the content of their row: in a memory-mapped file of the cache folder, or for this run alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from torch import Tensor

Key = bytes

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}
IN_MEMORY = 2**28  # bytes of hidden states that a run keeps without a file: validation rows, that are met again
KEY_BYTES = 16


@dataclass(frozen=True)
class _Place:
    block: Tensor  # (positions, width)
    start: int
    end: int


class HiddenStates:
    """The hidden states of rows, (positions, width) each, by a digest of what the model reads.

    ``file`` and another that ends in ``.json`` hold the numbers, and keys and lengths. Both are written aside and moved into place, so
    that a kill leaves nothing that is half there.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.about = file, file.with_suffix(".json")
        self.parts = 0
        self._places: dict[Key, _Place] = {}
        self._remembered: dict[Key, _Place] = {}
        self._room = IN_MEMORY
        if self.about.exists():
            self._open()

    def __len__(self) -> int:
        return len(self._places)

    def get(self, keys: Sequence[Key], remembered: bool = True) -> list[Tensor] | None:
        """The hidden states of all ``keys``, those that are only ``remembered`` among them or not; None where one is not there."""
        places = [self._places.get(key) or (self._remembered.get(key) if remembered else None) for key in keys]
        return [place.block[place.start : place.end] for place in places if place] if all(places) else None

    def remember(self, keys: Sequence[Key], states: Sequence[Tensor]) -> None:
        """Keep rows for this run, while there is room."""
        for key, state in zip(keys, states, strict=True):
            size = state.numel() * state.element_size()
            if key not in self._places and key not in self._remembered and size <= self._room:
                self._remembered[key] = _Place(state.clone(), 0, len(state))
                self._room -= size

    def write(self, batches: Iterator[tuple[Sequence[Key], Sequence[Tensor]]], parts: int) -> None:
        """Write the rows of several batches, each key once; ``parts`` is what ``standing_in`` needs.

        Raises ``OSError`` where the disk is full; nothing is left then.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(mkdtemp(prefix=".trunk-", dir=self.file.parent))
        try:
            lengths: dict[Key, int] = {}
            width, dtype = 0, ""
            with (scratch / "bin").open("wb") as file:
                for keys, states in batches:
                    for key, state in zip(keys, states, strict=True):
                        if key not in lengths:
                            file.write(state.contiguous().view(torch.uint8).numpy().data)
                            lengths[key], width, dtype = len(state), state.shape[1], str(state.dtype).removeprefix("torch.")
                file.flush()
                os.fsync(file.fileno())
            about = {"width": width, "dtype": dtype, "parts": parts, "lengths": list(lengths.values())}
            (scratch / "json").write_text(json.dumps({**about, "keys": b"".join(lengths).hex()}), encoding="ascii")
            (scratch / "bin").replace(self.file)
            (scratch / "json").replace(self.about)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._open()

    def _open(self) -> None:
        about = json.loads(self.about.read_text(encoding="ascii"))
        keys, lengths, width = bytes.fromhex(about["keys"]), about["lengths"], about["width"]
        ends = np.cumsum([0, *lengths])
        block = torch.from_file(str(self.file), False, int(ends[-1]) * width, dtype=DTYPES[about["dtype"]]).view(-1, width)
        self.parts = about["parts"]
        for row in range(len(lengths)):
            key = keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]
            self._places[key] = _Place(block, int(ends[row]), int(ends[row + 1]))
        with suppress(OSError):
            os.utime(self.about)  # used just now: what nobody uses goes first


def keys_of(inputs: Mapping[str, Tensor]) -> tuple[list[Key], Tensor | None]:
    """A digest of what the model reads of each row, padding left out; and the mask of real positions, (batch, length), if there is one."""
    mask = inputs.get("attention_mask")
    real = mask.bool() if mask is not None and mask.dim() == 2 else None
    tensors = [(name, tensor.cpu()) for name, tensor in sorted(inputs.items()) if name != "attention_mask"]
    keys = []
    for row in range(len(tensors[0][1])):
        digest = hashlib.blake2b(digest_size=KEY_BYTES)
        for name, tensor in tensors:
            padded = real is not None and tensor.shape == real.shape
            values = tensor[row][real[row].cpu()] if padded and real is not None else tensor[row]
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.contiguous().view(-1).view(torch.uint8).numpy().data)
        keys.append(digest.digest())
    return keys, real


def parted(hidden: Tensor, real: Tensor | None) -> list[Tensor]:
    """The hidden states of each row, (positions, width), without padding; on the CPU."""
    hidden = hidden.detach().cpu()
    if real is None or real.shape != hidden.shape[:2]:
        return list(hidden)
    return [states[mask] for states, mask in zip(hidden, real.cpu(), strict=True)]


def padded(states: Sequence[Tensor], real: Tensor | None) -> Tensor:
    """Hidden states of rows as one tensor, (batch, length, width); zero where there is padding."""
    if real is None or sum(map(len, states)) != int(real.sum()):
        return torch.stack(list(states))
    out = states[0].new_zeros(*real.shape, states[0].shape[1])
    out[real.cpu()] = torch.cat(list(states))
    return out
