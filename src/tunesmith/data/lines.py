"""Bytes of a file, packed or not, and the lines of text in them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import pyarrow as pa

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.collect import Collector

LIMIT = 8 * 2**20  # bytes of one line, characters of one quoted row
PACKED = {".gz": "gzip", ".zst": "zstd"}


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The bytes of a file, unpacked where its name ends in ``.gz`` or ``.zst``.

    Raises ``InputError`` where the file cannot be read or unpacked, at any time while it is read.
    """
    try:
        with path.open("rb") as raw:
            packing = PACKED.get(path.suffix.lower())
            yield BufferedReader(pa.input_stream(raw, compression=packing)) if packing else raw
    except OSError as error:
        remedy = "Check its permissions, and that it is whole"
        raise InputError(Problem(f"the file cannot be read: {error.strerror or error}", remedy, str(path))) from error


def lines(stream: BufferedReader, collector: Collector) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 text, with their numbers (from 1) and their line ends; a byte order mark is dropped.

    A line that is no text goes to ``collector.bad`` and is passed over: wrong bytes, NUL bytes, more than 8 MB.
    """
    number = 0
    while line := stream.readline(LIMIT + 1):
        number += 1
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(collector.problem("the text is UTF-16", "Save the file as UTF-8"))
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > LIMIT:
            collector.bad("the line is longer than 8 MB", "Split it, or check that the file has line ends", number)
            while line and not line.endswith(b"\n"):
                line = stream.readline(LIMIT)
        elif b"\0" in line:
            collector.bad("there is a NUL byte", "Remove it, or check that the file is text", number, line.index(b"\0") + 1)
        else:
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                collector.bad(f"byte 0x{line[error.start]:02x} is not UTF-8", "Save the file as UTF-8", number, error.start + 1)
