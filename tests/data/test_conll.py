"""Files with a token a line: what is read, and what is wrong with it, line by line."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.source import read

BIO = """-DOCSTART- O

# a comment of several words
Ada B-PER
Lovelace I-PER
# O

London B-LOC
"""


@pytest.mark.parametrize("name", ["a.conll", "a.bio", "a.iob", "a.bioes"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sentence_is_a_row_at_its_first_line(write, name: str, end: str) -> None:
    rows, problems = read(write(name, BIO.replace("\n", end)))
    first = {"tokens": ["Ada", "Lovelace", "#"], "tags": ["B-PER", "I-PER", "O"]}
    assert list(rows) == [first, {"tokens": ["London"], "tags": ["B-LOC"]}]
    assert [rows.place(row)[1] for row in range(2)] == [4, 8]
    assert not problems


def test_columns_between_have_numbers_and_a_tab_leaves_blanks_alone(write) -> None:
    rows, _ = read(write("a.conll", "York NNP B-NP B-LOC\nis VBZ B-VP O\n"))
    assert list(rows) == [{"tokens": ["York", "is"], "column_2": ["NNP", "VBZ"], "column_3": ["B-NP", "B-VP"], "tags": ["B-LOC", "O"]}]
    assert list(read(write("b.conll", "New York\tB-LOC\n"))[0]) == [{"tokens": ["New York"], "tags": ["B-LOC"]}]
    assert list(read(write("c.conll", "10\u00a0000 B-NUM\n"))[0]) == [{"tokens": ["10\u00a0000"], "tags": ["B-NUM"]}]
    assert list(read(write("d.conll", "no\ntags\n"))[0]) == [{"tokens": ["no", "tags"]}]


def test_every_line_that_is_wrong_is_told_and_its_sentence_left_out(write) -> None:
    path = write("a.conll", b"a O\nb\n\nc O\nd O O\ne O\n\nf\xff O\ng O\n\nh B-X\n")
    with pytest.raises(InputError) as error:
        read(path)
    places = [(problem.line, problem.message) for problem in error.value.problems]
    assert places[:2] == [(2, "the line has 1 column, and those before have 2"), (5, "the line has 3 columns, and those before have 2")]
    assert places[2][0] == 8
    assert "one tab" in error.value.problems[0].remedy
    rows, _ = read(path, skip_bad=True)
    assert list(rows) == [{"tokens": ["h"], "tags": ["B-X"]}]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_long_file_needs_empty_lines(write, end: str) -> None:
    path = write("a.conll", "# words\n" + "Bob B-PER\nlives O\n" * 40 + end)
    if end:  # after the one sentence there is
        assert len(read(path)[0]) == 1
        return
    with pytest.raises(InputError, match=r"a.conll:2: no empty line parts sentences, so that all 80 tokens are one. Write an empty line"):
        read(path)


def test_conllu(write) -> None:
    filler = "\t".join("_" * 4)
    lines = [f"{place}\t{word}\t{word.lower()}\t{tag}\t_\t{filler}\t_" for place, word, tag in (("1-2", "Du", "_"), ("1", "De", "ADP"))]
    rows, _ = read(write("a.conllu", "# text = De\n" + "\n".join(lines) + f"\n1.1\tx\tx\tX\t_\t{filler}\t_\n"))
    assert rows[0]["tokens"] == ["De"]
    assert rows[0]["upos"] == ["ADP"]
    assert "id" not in rows.columns
    assert len(read(write("b.conllu", "1-2\tDu\n\n1\tDe\n"))[0]) == 1
