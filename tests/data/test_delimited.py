"""CSV and TSV: what the csv module writes comes back, and what is wrong is named by its line."""

from __future__ import annotations

import csv
import io
from io import BufferedReader, BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import InputError
from tunesmith.data import delimited
from tunesmith.data.collect import Collector
from tunesmith.data.delimited import read_csv, read_tsv

HEADER = ["text", "label"]
cell = st.text(st.sampled_from('ab ö,;\t"\n\r'))


def parsed(content: str | bytes, read=read_csv) -> tuple[list[dict[str, str]], list[tuple[int, str]], list[int]]:
    collector = Collector("f.csv")
    read(BufferedReader(BytesIO(content if isinstance(content, bytes) else content.encode())), collector)
    rows = collector.rows()
    return list(rows), [(p.line, p.message) for p in collector.problems], [rows.place(i)[1] for i in range(len(rows))]


styles = [("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]  # "\n" with QUOTE_MINIMAL leaves "\r" unquoted


@given(st.lists(st.tuples(cell, cell)), st.sampled_from([",", ";", "\t"]), st.sampled_from(styles))
def test_what_the_csv_module_writes_comes_back(rows: list[tuple[str, str]], delimiter: str, style: tuple[str, int]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=style[0], quoting=style[1])
    writer.writerows([HEADER, *rows])
    found, problems, _ = parsed(file.getvalue(), read_tsv if delimiter == "\t" else read_csv)
    assert found == [dict(zip(HEADER, row, strict=True)) for row in rows]
    assert not problems


@given(st.lists(cell), st.sampled_from(['"', ""]))
def test_any_text_is_read_or_named(cells: list[str], quote: str) -> None:
    content = "text,label\n" + "".join(f"{quote}{cell}\n" for cell in cells)
    _, problems, places = parsed(content)
    lines = places + [line for line, _ in problems]
    assert len(set(lines)) == len(lines)
    assert all(1 < line <= content.count("\n") for line in lines)


def test_lines_are_those_on_which_rows_start() -> None:
    rows, _, places = parsed('text,label\n"one\ntwo",a\n\nthree,b\n')
    assert rows == [{"text": "one\ntwo", "label": "a"}, {"text": "three", "label": "b"}]
    assert places == [2, 5]


def test_rows_with_a_wrong_number_of_cells_are_all_named() -> None:
    rows, problems, _ = parsed("text,label\ngood, indeed,pos\nfine,pos\nalone\n")
    assert rows == [{"text": "fine", "label": "pos"}]
    assert problems == [(2, "the row has 3 cells, the header 2"), (4, "the row has 1 cell, the header 2")]


def test_a_stray_quote_costs_one_row() -> None:
    rows, problems, _ = parsed('text,label\n"stray,a\nfine,b\n5" disk,c\n')
    assert [row["text"] for row in rows] == ["fine", '5" disk']
    assert problems == [(2, "text follows a closing quote")]
    rows, problems, _ = parsed('text,label\nfine,b\n"never closed,a\nlast,c\n')
    assert [row["text"] for row in rows] == ["fine", "last"]
    assert problems == [(3, "a quote is opened and never closed")]


def test_a_quoted_row_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "LIMIT", 30)
    rows, problems, _ = parsed('text,label\n"open,a\n' + "a fine text,b\n" * 10 + 'last,"c"\n')
    assert len(rows) == 11
    assert problems == [(2, "a quote is opened and never closed")]


def test_a_bad_line_between_quotes_spoils_its_row() -> None:
    rows, problems, _ = parsed(b'text,label\n"one\n\xff\ntwo",a\nfine,b\n')
    assert [row["text"] for row in rows] == ["fine"]
    assert (2, "a line between the quotes cannot be read") in problems
    assert (3, "byte 0xff is not UTF-8") in problems


@pytest.mark.parametrize("header", ["text,label", "text;label", "text\tlabel", '"text";"label, or class"', "\ufefftext,label"])
def test_the_delimiter_is_found_in_the_header(header: str) -> None:
    rows, _, _ = parsed(f"{header}\n")
    assert rows == []
    names = list(parsed(header + "\n" + next(d for d in ";\t," if d in header).join("ab") + "\n")[0][0])
    assert names[0] == "text"
    assert len(names) == 2


def test_one_column() -> None:
    assert parsed('text\na b\n"c, d"\n')[0] == [{"text": "a b"}, {"text": "c, d"}]


def test_a_column_without_a_name_gets_one() -> None:
    assert parsed(",text\n0,good\n")[0] == [{"column 1": "0", "text": "good"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "f.csv: the file is empty"),
        ("\n\n", "f.csv: the file is empty"),
        ("text,label,text\na,b,c\n", "f.csv:1 text: the header has this column twice"),
        (b"te\xffxt,label\na,b\n", "f.csv:1 3: byte 0xff is not UTF-8"),
    ],
)
def test_a_file_without_a_good_header_is_refused(content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parsed(content)
