"""Every format of files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from tunesmith.core.errors import InputError
from tunesmith.data.readers import FORMATS, format_of
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


def test_no_parquet(write) -> None:
    with pytest.raises(InputError, match=r"a.parquet: this is not a Parquet file"):
        read(write("a.parquet", b"PAR1 or not"))


@pytest.mark.parametrize(
    ("name", "end"), [("a.csv", ".csv"), ("a.b.JSONL.GZ", ".jsonl"), ("a.csv.zst", ".csv"), ("a.gz", ""), ("a.xlsx", ""), ("csv", "")]
)
def test_the_end_of_the_name_tells_the_format(name: str, end: str) -> None:
    assert format_of(Path(name)) == end
    assert not end or end in FORMATS
