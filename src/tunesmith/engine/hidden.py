"""Hidden states by the content of their text: in a memory-mapped file of the cache folder, or for this run alone."""

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
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.data.packing import IGNORED

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
        with suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):  # what cannot be read is not there
            self._open()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def size(self) -> int:
        """The bytes of all that is in the file."""
        block = next((place.block for place in self._places.values()), None)
        return 0 if block is None else block.numel() * block.element_size()

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
            width, dtype, digest = 0, "", hashlib.blake2b()
            with (scratch / "bin").open("wb") as file:
                for keys, states in batches:
                    for key, state in zip(keys, states, strict=True):
                        if key not in lengths:
                            values = state.contiguous().view(torch.uint8).numpy().data
                            file.write(values)
                            digest.update(values)
                            lengths[key], width, dtype = len(state), state.shape[1], str(state.dtype).removeprefix("torch.")
                file.flush()
                os.fsync(file.fileno())
            about = {"width": width, "dtype": dtype, "parts": parts, "lengths": list(lengths.values()), "keys": b"".join(lengths).hex()}
            (scratch / "json").write_text(json.dumps({**about, "digest": _sealed(digest, about)}), encoding="ascii")
            (scratch / "bin").replace(self.file)
            (scratch / "json").replace(self.about)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._open()

    def _open(self) -> None:
        about = json.loads(self.about.read_text(encoding="ascii"))
        with self.file.open("rb") as file:
            if about["digest"] != _sealed(hashlib.file_digest(file, "blake2b"), about):
                raise ValueError(f"{self.file} and {self.about.name} do not hold what was written")
        keys, lengths, width = bytes.fromhex(about["keys"]), about["lengths"], about["width"]
        ends = np.cumsum([0, *lengths])
        block = torch.from_file(str(self.file), False, int(ends[-1]) * width, dtype=DTYPES[about["dtype"]]).view(-1, width)
        self.parts = about["parts"]
        for row in range(len(lengths)):
            key = keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]
            self._places[key] = _Place(block, int(ends[row]), int(ends[row + 1]))
        with suppress(OSError):
            os.utime(self.about)  # used just now: what nobody uses goes first


def _sealed(states: Any, about: Mapping[str, Any]) -> str:
    """A digest of hidden states, given theirs, and of all else that is said ``about`` them."""
    states.update(json.dumps({name: about[name] for name in sorted(about) if name != "digest"}).encode())
    digest: str = states.hexdigest()
    return digest


def texts_of(inputs: Mapping[str, Tensor], labels: Tensor | None = None, pad: int | None = None) -> Tensor | None:
    """The text that each position belongs to, (rows, length) int64, numbered over all rows, -1 for padding; None for what is no text.

    Where there is no ``attention_mask`` of positions, several texts may share a row: each begins at position 0. The padding of a decoder
    stands behind its text, with the token ``pad`` and without one of the ``labels`` (rows, length).
    """
    by_position = (name for name, tensor in inputs.items() if tensor.dim() == 2 or (tensor.dim() == 3 and tensor.shape[1] == 1))
    flat = {name: inputs[name].cpu().flatten(1) for name in by_position}
    ids, mask = flat.get("input_ids"), flat.get("attention_mask")
    if mask is not None:
        return torch.arange(len(mask))[:, None].where(mask.bool(), -1)
    if ids is None:
        return None
    places = torch.arange(ids.numel()).view_as(ids)
    texts = (flat["position_ids"] == 0).flatten().cumsum(0).view_as(ids) - 1 if "position_ids" in flat else places // ids.shape[1]
    if labels is None or labels.shape != ids.shape or pad is None:
        return texts
    real = places.where((ids != pad) | (labels.cpu() != IGNORED), -1)
    last = torch.full((ids.numel(),), -1).scatter_reduce(0, texts.flatten(), real.flatten(), "amax")
    return texts.where(places <= last[texts], -1)


def keys_of(inputs: Mapping[str, Tensor], texts: Tensor | None) -> list[Key]:
    """A digest of what the model reads of each text, padding left out; of each row where ``texts`` is None."""
    tensors = [(name, tensor.cpu()) for name, tensor in sorted(inputs.items()) if name != "attention_mask"]
    keys = []
    for row, places in _places(texts) if texts is not None else ((row, None) for row in range(len(tensors[0][1]))):
        digest = hashlib.blake2b(digest_size=KEY_BYTES)
        for name, tensor in tensors:
            own = places is not None and texts is not None and tensor.numel() == texts.numel()
            values = tensor.flatten()[places] if own else tensor[row]
            if name == "position_ids" and values.equal(torch.arange(len(values))):
                continue  # as for a text that has a row of its own
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.contiguous().view(-1).view(torch.uint8).numpy().data)
        keys.append(digest.digest())
    return keys


def parted(hidden: Tensor, texts: Tensor | None) -> list[Tensor]:
    """The hidden states of each text, (positions, width), without padding; on the CPU."""
    hidden = hidden.detach().cpu()
    if texts is None or texts.shape != hidden.shape[:2]:
        return list(hidden)
    flat = hidden.flatten(0, 1)
    return [flat[places] for _, places in _places(texts)]


def padded(states: Sequence[Tensor], texts: Tensor | None) -> Tensor:
    """Hidden states of texts as one tensor, (rows, length, width); zero where there is padding."""
    if texts is None or sum(map(len, states)) != int((texts >= 0).sum()):
        return torch.stack(list(states))
    out = states[0].new_zeros(texts.numel(), states[0].shape[1])
    out[torch.cat([places for _, places in _places(texts)])] = torch.cat(list(states))
    return out.view(*texts.shape, -1)


def _places(texts: Tensor) -> list[tuple[int, Tensor]]:
    """The row of each text, and where its positions are, counted through all rows."""
    flat = texts.flatten()
    counts = torch.bincount(flat + 1)
    return [
        (int(places[0]) // texts.shape[1], places) for places in torch.split(flat.argsort(stable=True), counts.tolist())[1:] if len(places)
    ]
