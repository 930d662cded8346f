"""Lines of a file, and everything that is no line of text."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from tunesmith.core.errors import InputError
from tunesmith.data.collect import Collector
from tunesmith.data.lines import LIMIT, lines, opened


def read(path: Path) -> tuple[list[tuple[int, str]], list[str]]:
    collector = Collector("f")
    with opened(path) as stream:
        return list(lines(stream, collector)), [str(problem) for problem in collector.problems]


def test_lines_have_numbers_and_keep_their_ends(write) -> None:
    assert read(write("a.txt", b"\xef\xbb\xbfone\r\ntw\xc3\xb6\nthree"))[0] == [(1, "one\r\n"), (2, "twö\n"), (3, "three")]


@pytest.mark.parametrize(("end", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress), (".GZ", gzip.compress)])
def test_packed_files(write, end: str, pack) -> None:
    data = b"one\ntwo\n"
    assert read(write(f"a.txt{end}", pack(data) + pack(b"three\n")))[0] == [(1, "one\n"), (2, "two\n"), (3, "three\n")]
    packed = pack(data * 1000)
    for broken in (packed[: len(packed) // 2], b"no packed file at all"):
        with pytest.raises(InputError, match=f"b.txt{end}: the file cannot be read.*Check its permissions, and that it is whole"):
            read(write(f"b.txt{end}", broken))


def test_lines_that_are_no_text_are_named_and_passed_over(write) -> None:
    good, problems = read(write("a.txt", b"one\ncaf\xe9\nnul\0\n" + b"x" * (LIMIT + 1) + b"\nlast\n"))
    assert good == [(1, "one\n"), (5, "last\n")]
    assert problems == [
        "f:2 4: byte 0xe9 is not UTF-8. Save the file as UTF-8.",
        "f:3 4: there is a NUL byte. Remove it, or check that the file is text.",
        "f:4: the line is longer than 8 MB. Split it, or check that the file has line ends.",
    ]


def test_the_longest_line_is_read(write) -> None:
    assert len(read(write("a.txt", b"x" * LIMIT))[0][0][1]) == LIMIT


def test_utf_16_is_told_apart(write) -> None:
    with pytest.raises(InputError, match=r"f: the text is UTF-16. Save the file as UTF-8"):
        read(write("a.txt", "text,label\n".encode("utf-16")))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.txt: the file cannot be read: No such file"):
        read(tmp_path / "none.txt")
