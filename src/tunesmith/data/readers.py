"""The formats of files, by the ends of their names."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.collect import Collector
from tunesmith.data.conll import read_conll, read_conllu
from tunesmith.data.delimited import read_csv, read_tsv
from tunesmith.data.json_text import read_json, read_json_lines
from tunesmith.data.lines import PACKED, lines, opened
from tunesmith.data.rows import Places, Rows
from tunesmith.data.values import Values

Parsed = tuple[Rows, list[Problem]]  # the rows, and what is wrong with those that were left out
Reader = Callable[[BufferedReader, str], Parsed]


def read_file(path: Path, unit: str = "line") -> Parsed:
    """Read a file of a known format; ``unit`` is what of a text file is a row: line, paragraph or file.

    Raises ``InputError`` where the file as a whole cannot be used.
    """
    known = format_of(path)
    with opened(path) as stream:
        rows, problems = (_by_rows(UNITS[unit]) if known == TEXT else FORMATS[known])(stream, str(path))
    if not rows and not problems:
        raise InputError(Problem("the file has no rows", "Give a file with at least one", str(path)))
    return rows, problems


def format_of(path: Path) -> str:
    """The end of the name that tells the format, ``.csv`` of ``reviews.csv.gz`` for example; empty where it is not known."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    end = Path(name).suffix
    return end if end in FORMATS else ""


def table_rows(table: pa.Table, file: str) -> Rows:
    """The rows of an Arrow table; the place of a row is its number."""
    values = {name: Values.of_arrow(table.column(name)) for name in table.column_names}
    return Rows(values, Places.of(file, np.arange(1, table.num_rows + 1)))


def _by_rows(read: Callable[[BufferedReader, Collector], None]) -> Reader:
    def reader(stream: BufferedReader, file: str) -> Parsed:
        collector = Collector(file)
        read(stream, collector)
        return collector.rows(), collector.problems

    return reader


def _read_text(stream: BufferedReader, collector: Collector) -> None:
    """Every line that is not blank is the ``text`` of a row."""
    for number, line in lines(stream, collector):
        if not line.isspace():
            collector.add({"text": line.rstrip("\r\n")}, number)


def _read_paragraphs(stream: BufferedReader, collector: Collector) -> None:
    """What stands between blank lines is the ``text`` of a row, with its line breaks; the place of a row is its first line."""
    _gather(stream, collector, str.isspace)


def _read_whole(stream: BufferedReader, collector: Collector) -> None:
    """All of the file is the ``text`` of one row, without the blank lines around it."""
    _gather(stream, collector, lambda line: False)


def _gather(stream: BufferedReader, collector: Collector, parts: Callable[[str], bool]) -> None:
    """Rows of several lines: ``parts`` says of a line whether it stands between two of them."""
    first, held = 0, list[str]()
    for number, line in lines(stream, collector):
        if parts(line):
            _add(held, first, collector)
            held = []
        elif held or not line.isspace():
            first = first if held else number
            held.append(line.rstrip("\r\n"))
    _add(held, first, collector)


def _add(held: list[str], first: int, collector: Collector) -> None:
    if held:
        collector.add({"text": "\n".join(held).rstrip()}, first)


def _read_parquet(stream: BufferedReader, file: str) -> Parsed:
    try:
        table = parquet.read_table(stream if stream.seekable() else BytesIO(stream.read()))
    except pa.ArrowInvalid as error:
        raise InputError(Problem(f"this is not a Parquet file: {error}", "Write it again", file)) from error
    return table_rows(table, file), []


TEXT = ".txt"
UNITS = {"line": _read_text, "paragraph": _read_paragraphs, "file": _read_whole}
FORMATS: dict[str, Reader] = {
    ".csv": _by_rows(read_csv),
    ".tsv": _by_rows(read_tsv),
    ".jsonl": _by_rows(read_json_lines),
    ".ndjson": _by_rows(read_json_lines),
    ".json": _by_rows(read_json),
    TEXT: _by_rows(_read_text),
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2", ".bioes"), _by_rows(read_conll)),
    ".conllu": _by_rows(read_conllu),
    ".parquet": _read_parquet,
}
