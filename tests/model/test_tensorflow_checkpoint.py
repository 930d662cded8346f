"""Checkpoints of TensorFlow, which the test writes itself as TensorFlow does, byte by byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import InputError
from tunesmith.model.tensorflow_checkpoint import FOOTER, MAGIC, Checkpoint, crc32c, masked_crc

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
TENSORS = {
    "global_step": np.array(7),
    "layer_0/bias": np.arange(3, dtype=np.float16),
    "layer_0/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "layer_1/kernel": np.ones((300, 5)),
}


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(rows: list[tuple[bytes, bytes]]) -> bytes:
    """A block in which keys share what they can with the key before, every second one being whole."""
    out, starts, before = b"", [], b""
    for place, (key, value) in enumerate(rows):
        alike = next((at for at, (one, other) in enumerate(zip(before, key, strict=False)) if one != other), min(len(before), len(key)))
        shared = alike if place % 2 else 0
        starts += [] if place % 2 else [len(out)]
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    out += b"".join(start.to_bytes(4, "little") for start in starts) + len(starts).to_bytes(4, "little") + b"\0"
    return out + masked_crc(out).to_bytes(4, "little")


def write(prefix: Path, tensors: Mapping[str, np.ndarray[Any, Any]] = TENSORS, bfloat16: bool = False) -> Path:
    """``prefix.index`` and ``prefix.data-00000-of-00001``; returns the former."""
    data, rows = b"", [(b"", field(1, 1) + field(3, field(1, 1)))]
    for name, values in sorted(tensors.items()):
        own = (values.astype(np.float32).view(np.uint32) >> 16).astype("<u2").tobytes() if bfloat16 else values.tobytes()
        shape = b"".join(field(2, field(1, side)) for side in values.shape)
        entry = field(1, 14 if bfloat16 else TYPES[str(values.dtype)]) + field(2, shape) + (field(4, len(data)) if data else b"")
        rows.append((name.encode(), entry + field(5, len(own)) + varint(6 << 3 | 5) + masked_crc(own).to_bytes(4, "little")))
        data += own
    blocks, handles = b"", []
    for part in (rows[:3], rows[3:]):
        if part:
            handles.append((part[-1][0], varint(len(blocks)) + varint(len(block(part)) - 5)))
            blocks += block(part)
    rest = [block([]), block(handles)]
    footer = b"".join(varint(len(blocks) + sum(map(len, rest[:place]))) + varint(len(rest[place]) - 5) for place in (0, 1))
    index = prefix.with_name(f"{prefix.name}.index")
    index.write_bytes(blocks + b"".join(rest) + footer.ljust(FOOTER - 8, b"\0") + MAGIC.to_bytes(8, "little"))
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    return index


def test_every_tensor_is_read(tmp_path: Path) -> None:
    found = Checkpoint.read(write(tmp_path / "bert_model.ckpt"))
    assert found.entries.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(found.tensor(name), values)
        assert found.tensor(name).dtype == values.dtype
    halved = Checkpoint.read(write(tmp_path / "half.ckpt", bfloat16=True))
    np.testing.assert_array_equal(halved.tensor("layer_0/kernel"), TENSORS["layer_0/kernel"])


def test_checksums() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, section B.4 has the following
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@pytest.mark.parametrize("length", [1, 256, 4096, 9001])
def test_a_checksum_in_parts_is_that_of_the_whole(length: int) -> None:
    data, crc = np.random.default_rng(0).bytes(length), 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert crc32c(data) == crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("cut", [0, 10, 60, 200])
def test_an_index_that_is_cut(tmp_path: Path, cut: int) -> None:
    index = write(tmp_path / "a.ckpt")
    index.write_bytes(index.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"a.ckpt.index: The TensorFlow checkpoint cannot be used: .* Copy or download it again"):
        Checkpoint.read(index)


def test_any_byte_that_is_changed_is_noticed(tmp_path: Path) -> None:
    index = write(tmp_path / "a.ckpt")
    whole, data = index.read_bytes(), tmp_path / "a.ckpt.data-00000-of-00001"
    before = Checkpoint.read(index)
    for place in range(0, len(whole) - FOOTER, 23):
        index.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(InputError, match="cannot be used"):
            Checkpoint.read(index)
    content = data.read_bytes()
    data.write_bytes(content[:9] + b"\xff" + content[10:])
    with pytest.raises(InputError, match="the checksum of layer_0/bias does not agree"):
        before.tensor("layer_0/bias")
    data.write_bytes(content[:-1])
    with pytest.raises(InputError, match="it ends before layer_1/kernel does"):
        before.tensor("layer_1/kernel")
    data.unlink()
    with pytest.raises(InputError, match="The file is missing"):
        before.tensor("layer_1/kernel")
