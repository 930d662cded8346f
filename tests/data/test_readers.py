"""Every format of files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from tunesmith.core.errors import InputError
from tunesmith.core.task import UNITS
from tunesmith.data.readers import FORMATS, format_of
from tunesmith.data.readers import UNITS as READ
from tunesmith.data.source import read

ROWS = [{"text": "good, indeed", "label": "a"}, {"text": "bad", "label": "b"}]
LINES = '{"text": "good, indeed", "label": "a"}\n{"text": "bad", "label": "b"}\n'


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue().to_pybytes()


FILES = {
    "rows.csv": b'text,label\n"good, indeed",a\nbad,b\n',
    "rows.tsv": b"text\tlabel\ngood, indeed\ta\nbad\tb\n",
    "rows.jsonl": LINES.encode(),
    "rows.ndjson": LINES.encode(),
    "rows.json": f"[{','.join(LINES.splitlines())}]".encode(),
    "rows.parquet": parquet_bytes(),
}


@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", FILES)
def test_every_format_packed_or_not(write, name: str, pack: str) -> None:
    packed = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[pack](FILES[name])
    rows, problems = read(write(name + pack, packed))
    assert list(rows) == ROWS
    assert not problems
    assert rows.place(1) == (str(write(name + pack, packed)), 3 if name[-3:] in ("csv", "tsv") else 1 if name == "rows.json" else 2)


def test_a_text_file_has_a_text_a_line(write) -> None:
    rows, _ = read(write("texts.txt", "one\n\n  two, \r\n"))
    assert list(rows) == [{"text": "one"}, {"text": "  two, "}]
    assert rows.place(1)[1] == 3


STORY = "\n  once\nupon a time\n\n \t\nthere was\na cat \n\n"


@pytest.mark.parametrize(
    ("unit", "texts", "places"),
    [
        ("line", ["  once", "upon a time", "there was", "a cat "], [2, 3, 6, 7]),
        ("paragraph", ["  once\nupon a time", "there was\na cat"], [2, 6]),
        ("file", ["  once\nupon a time\n\n \t\nthere was\na cat"], [2]),
    ],
)
def test_a_row_of_a_text_file_is_a_line_a_paragraph_or_all_of_it(write, unit: str, texts: list[str], places: list[int]) -> None:
    rows, problems = read(write("story.txt", STORY), unit=unit)
    assert [row["text"] for row in rows] == texts
    assert [rows.place(row)[1] for row in range(len(rows))] == places
    assert not problems
    assert set(UNITS) == set(READ)


def test_other_files_have_rows_already(write) -> None:
    with pytest.raises(
        InputError, match=r"rows.jsonl: a paragraph is a row of .txt files, and these are rows already\. Leave the setting out"
    ):
        read(write("rows.jsonl", LINES), unit="paragraph")


def test_no_parquet(write) -> None:
    with pytest.raises(InputError, match=r"a.parquet: this is not a Parquet file"):
        read(write("a.parquet", b"PAR1 or not"))


@pytest.mark.parametrize(
    ("name", "end"), [("a.csv", ".csv"), ("a.b.JSONL.GZ", ".jsonl"), ("a.csv.zst", ".csv"), ("a.gz", ""), ("a.xlsx", ""), ("csv", "")]
)
def test_the_end_of_the_name_tells_the_format(name: str, end: str) -> None:
    assert format_of(Path(name)) == end
    assert not end or end in FORMATS
