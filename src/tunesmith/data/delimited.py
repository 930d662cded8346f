"""Comma-, semicolon- and tab-separated tables: RFC 4180 quoting, quoted line ends included."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from io import BufferedReader
from itertools import chain

from tunesmith.core.errors import InputError
from tunesmith.data.collect import Collector
from tunesmith.data.lines import LIMIT, lines

Line = tuple[int, str]
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_QUOTED = re.compile(r'[^"]*+(?:""[^"]*+)*+')  # the inside of a quoted cell, up to its closing quote or the end of the line
_QUOTING = 'Put a cell that holds quotes into quotes, and double those inside: "He said ""yes"""'


def read_csv(stream: BufferedReader, collector: Collector) -> None:
    """Read a table separated by commas, semicolons or tabs, whichever the header has most of."""
    text = lines(stream, collector)
    first = next(text, (0, ""))
    header = re.sub(r'"[^"]*"', "", first[1])
    _read(chain([first], text), max(_NAMES, key=header.count), collector)


def read_tsv(stream: BufferedReader, collector: Collector) -> None:
    """Read a table separated by tabs, quoted as in CSV."""
    _read(lines(stream, collector), "\t", collector)


def _read(text: Iterator[Line], delimiter: str, collector: Collector) -> None:
    records = _records(text, delimiter, collector)
    start, header = next(records, (0, []))
    if not header or collector.problems:
        raise InputError(*collector.problems or [collector.problem("the file is empty", "Name the columns in its first line")])
    names = [name.strip() or f"column {number}" for number, name in enumerate(header, 1)]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(*(collector.problem("the header has this column twice", "Rename one of them", start, name) for name in twice))
    remedy = f"Quote a cell that holds a {_NAMES[delimiter]}, a quote or a line end"
    for line, cells in records:
        if len(cells) == len(names):
            collector.add(dict(zip(names, cells, strict=True)), line)
        else:
            collector.bad(f"the row has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, the header {len(names)}", remedy, line)


def _records(text: Iterator[Line], delimiter: str, collector: Collector) -> Iterator[tuple[int, list[str]]]:
    """The cells of every row that is not blank, and the line on which it starts.

    After a row whose quotes are wrong, reading goes on at its second line: a single stray quote costs one row.
    """
    waiting: deque[Line] = deque()  # lines to be read again
    while line := waiting.popleft() if waiting else next(text, None):
        number, content = line
        if '"' not in content:
            if content := content.rstrip("\r\n"):
                yield number, content.split(delimiter)
            continue
        record, taken = _Record(delimiter), [line]
        try:
            record.take(content)
            while record.quoted is not None:
                following = waiting.popleft() if waiting else next(text, None)
                if following is None or record.size > LIMIT:
                    waiting.extendleft([following] if following else [])
                    raise ValueError("a quote is opened and never closed")
                taken.append(following)
                record.take(following[1])
        except ValueError as error:
            collector.bad(str(error), _QUOTING, number)
            waiting.extendleft(reversed(taken[1:]))
        else:
            if taken[-1][0] == number + len(taken) - 1:
                yield number, record.cells
            else:
                collector.bad("a line between the quotes cannot be read", "Mend that line", number)


class _Record:
    """The cells of one row while its lines come in. ``quoted`` holds the lines of a cell whose closing quote is still to come."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.cells: list[str] = []
        self.quoted: list[str] | None = None
        self.size = 0

    def take(self, line: str) -> None:
        """Read one more line. Raises ``ValueError`` where text follows a closing quote."""
        self.size += len(line)
        position = 0
        while True:
            if self.quoted is None and not line.startswith('"', position):
                end = line.find(self.delimiter, position)
                if end < 0:
                    self.cells.append(line[position:].rstrip("\r\n"))
                    return
                self.cells.append(line[position:end])
                position = end + 1
                continue
            if self.quoted is None:
                self.quoted = []
                position += 1
            inside = _QUOTED.match(line, position)
            assert inside is not None  # the pattern matches an empty text too
            self.quoted.append(inside[0])
            position = inside.end()
            if position == len(line):
                return
            self.cells.append("".join(self.quoted).replace('""', '"'))
            self.quoted = None
            if line[position + 1 :] in ("", "\n", "\r\n"):
                return
            if not line.startswith(self.delimiter, position + 1):
                raise ValueError("text follows a closing quote")
            position += 2
