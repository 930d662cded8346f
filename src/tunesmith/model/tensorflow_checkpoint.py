"""Checkpoints of TensorFlow (its format V2): ``NAME.index``, a table of tensors, and their bytes in ``NAME.data-00000-of-00001``.

The table is one of LevelDB: sorted keys in blocks, https://github.com/google/leveldb/blob/main/doc/table_format.md. Its values are the
messages of tensorflow/core/protobuf/tensor_bundle.proto. Every block and every tensor has a CRC-32C, which is checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import InputError, Problem

Words = npt.NDArray[np.uint32]

MAGIC = 0xDB4775248B80FB57
FOOTER, TRAILER = 48, 5  # bytes at the end of the table, and behind each block: how it is packed, and its checksum
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 14: "bfloat16", 19: "<f2"}  # numbers of tensorflow/core/framework/types.proto
POLYNOMIAL, MASK, ONES = 0x82F63B78, 0xA282EAD8, 0xFFFFFFFF
SHORT = 4096  # bytes below which a checksum is computed one byte after the other


@dataclass(frozen=True)
class Entry:
    """Where a tensor is: ``type`` is a number of ``TYPES``, ``crc`` the masked checksum of its bytes."""

    type: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    sliced: bool


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a checkpoint by name; their bytes are read when they are asked for."""

    index: Path
    entries: dict[str, Entry]
    shards: int

    @classmethod
    def read(cls, index: Path) -> Checkpoint:
        """Read the table. Raises ``InputError`` where it is damaged or of another format."""
        try:
            found = dict(_table(index.read_bytes()))
            header = _message(found.pop(b""))
            entries = {name.decode(): _entry(_message(value)) for name, value in found.items()}
        except (ValueError, IndexError, KeyError, TypeError, OSError) as error:
            raise _damaged(index, f"the index cannot be read ({error})") from error
        if header.get(2, [0])[0]:
            raise _damaged(index, "its numbers are big-endian")
        return cls(index, entries, int(header.get(1, [1])[0]))

    def tensor(self, name: str) -> npt.NDArray[Any]:
        """One tensor. Raises ``InputError`` where its bytes are not there, or are not those that were written."""
        entry = self.entries[name]
        file = self.index.with_suffix(f".data-{entry.shard:05d}-of-{self.shards:05d}")
        if not file.exists():
            raise InputError(Problem("The file is missing", "Copy or download it again", str(file)))
        if entry.type not in TYPES or entry.sliced:
            raise _damaged(file, f"{name} is of a kind that is not read (type {entry.type})")
        width = 2 if TYPES[entry.type] == "bfloat16" else np.dtype(TYPES[entry.type]).itemsize
        if entry.size != math.prod(entry.shape) * width:
            raise _damaged(self.index, f"{name} has {entry.size} bytes for the shape {entry.shape}")
        with file.open("rb") as opened:
            opened.seek(entry.offset)
            data = opened.read(entry.size)
        if len(data) != entry.size:
            raise _damaged(file, f"it ends before {name} does")
        if masked_crc(data) != entry.crc:
            raise _damaged(file, f"the checksum of {name} does not agree with its bytes")
        if TYPES[entry.type] == "bfloat16":
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(entry.shape)
        return np.frombuffer(data, TYPES[entry.type]).reshape(entry.shape)


def _damaged(file: Path, what: str) -> InputError:
    return InputError(Problem(f"The TensorFlow checkpoint cannot be used: {what}", "Copy or download it again", str(file)))


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table. Raises ``ValueError`` where it is none."""
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ValueError("it does not end as a table does")
    footer = data[-FOOTER:]
    _, at = _handle(footer, 0)
    (offset, size), _ = _handle(footer, at)
    for _, value in _block(data, offset, size):
        handle, _ = _handle(value, 0)
        yield from _block(data, *handle)


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of one block: keys share their beginning with the key before."""
    if offset + size + TRAILER > len(data) - FOOTER:
        raise ValueError("a block is outside the file")
    if masked_crc(data[offset : offset + size + 1]) != int.from_bytes(data[offset + size + 1 : offset + size + TRAILER], "little"):
        raise ValueError("the checksum of a block does not agree with its bytes")
    if data[offset + size]:
        raise ValueError("its blocks are packed")
    block, key, at = data[offset : offset + size], b"", 0
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # before the places where keys are whole
    while at < end:
        (shared, own, length), at = _varints(block, at, 3)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _handle(data: bytes, at: int) -> tuple[list[int], int]:
    """Offset and size of a block, and the place behind them."""
    return _varints(data, at, 2)


def _varints(data: bytes, at: int, number: int) -> tuple[list[int], int]:
    """So many numbers of seven bits a byte, and the place behind them."""
    found = []
    for _ in range(number):
        value, shift = 0, 0
        while data[at] & 0x80:
            value, shift, at = value | (data[at] & 0x7F) << shift, shift + 7, at + 1
        found.append(value | data[at] << shift)
        at += 1
    return found, at


def _message(data: bytes) -> dict[int, list[Any]]:
    """The fields of a message of protobuf by number: numbers, and bytes."""
    fields: dict[int, list[Any]] = {}
    found: list[Any]
    at = 0
    while at < len(data):
        (tag,), at = _varints(data, at, 1)
        if tag & 7 == 0:
            found, at = _varints(data, at, 1)
        else:
            (size,), at = _varints(data, at, 1) if tag & 7 == 2 else ([{1: 8, 5: 4}[tag & 7]], at)
            found, at = [data[at : at + size]], at + size
        fields.setdefault(tag >> 3, []).extend(found)
    return fields


def _entry(fields: dict[int, list[Any]]) -> Entry:
    dims = _message(fields.get(2, [b""])[0]).get(2, [])
    shape = tuple(int(_message(dim).get(1, [0])[0]) for dim in dims)
    first = {number: fields.get(number, [0])[0] for number in (1, 3, 4, 5)}
    return Entry(first[1], shape, first[3], first[4], first[5], int.from_bytes(fields.get(6, [b""])[0], "little"), 7 in fields)


def masked_crc(data: bytes) -> int:
    """The CRC-32C of bytes, rotated and shifted as LevelDB and TensorFlow write it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK) & ONES


def crc32c(data: bytes) -> int:
    """The CRC-32C of bytes: of many parts side by side, which are then joined, since a checksum is linear over GF(2)."""
    if len(data) < SHORT:
        crc, table = ONES, _bytes().tolist()
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
        return crc ^ ONES
    lanes = 1 << len(data).bit_length() // 2  # about the square root
    length = -(-len(data) // lanes)
    parts = np.frombuffer(data.rjust(lanes * length, b"\0"), np.uint8).reshape(lanes, length).T  # zeros in front change nothing
    crcs = np.zeros(lanes, np.uint32)
    for column in np.ascontiguousarray(parts):
        crcs = _bytes()[(crcs ^ column) & 0xFF] ^ (crcs >> 8)
    behind = _zeros(length)
    while len(crcs) > 1:
        crcs, behind = _apply(behind, crcs[::2]) ^ crcs[1::2], _apply(behind, behind)
    start = _apply(_zeros(len(data)), np.array([ONES], np.uint32))
    return int(crcs[0] ^ start[0]) ^ ONES


@cache
def _bytes() -> Words:
    """The checksum of each byte."""
    found: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        found = ((found >> 1) ^ np.where(found & 1, np.uint32(POLYNOMIAL), np.uint32(0))).astype(np.uint32)
    return found


def _zeros(length: int) -> Words:
    """What so many zero bytes behind it make of a checksum: a matrix of bits, (32,) columns."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    found, power = bits, _bytes()[bits & 0xFF] ^ (bits >> 8)
    while length:
        found = _apply(power, found) if length & 1 else found
        power, length = _apply(power, power), length >> 1
    return found


def _apply(matrix: Words, crcs: Words) -> Words:
    """A matrix of bits times checksums."""
    found = np.zeros_like(crcs)
    for bit, column in enumerate(matrix):
        found ^= np.where(crcs >> np.uint32(bit) & np.uint32(1), column, np.uint32(0))
    return found
