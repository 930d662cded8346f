"""JSON Lines, and JSON as a whole: a list of objects, such a list under ``data``, or an object of lists; SQuAD's nested articles too."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from io import BufferedReader, BytesIO
from typing import Any

from tunesmith.core.errors import InputError
from tunesmith.data.collect import Collector
from tunesmith.data.lines import lines
from tunesmith.data.squad import questions

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
_NAMES = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
_SHAPE = 'Write objects, for example {"text": "...", "label": "..."}'


def read_json_lines(stream: BufferedReader, collector: Collector) -> None:
    """Read one object a line; blank lines are passed over."""
    for number, text in lines(stream, collector):
        text = text.rstrip()
        if not text:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            collector.bad(*_fault(error, text), number, getattr(error, "colno", ""))
        else:
            _keep(row, number, collector)


def read_json(stream: BufferedReader, collector: Collector) -> None:
    """Read a list of objects, ``{"data": [objects]}`` or ``{"text": [...], "label": [...]}``; objects one a line are understood too.

    Raises ``InputError`` where the text as a whole is not JSON of such a shape.
    """
    data = stream.read().removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(collector.problem(f"byte 0x{data[error.start]:02x} is not UTF-8", "Save the file as UTF-8", line)) from error
    try:
        if _is_json_lines(text):
            read_json_lines(BufferedReader(BytesIO(data)), collector)
        elif text.strip():
            for row, line in _rows_of(text, collector):
                _keep(row, line, collector)
    except json.JSONDecodeError as error:
        raise InputError(collector.problem(*_fault(error, text), error.lineno, error.colno)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(collector.problem(*_fault(error, text))) from error


def _is_json_lines(text: str) -> bool:
    """Whether more follows the object with which a text starts."""
    start = _skip(text, 0)
    return text.startswith("{", start) and bool(text[_DECODER.raw_decode(text, start)[1] :].strip())


def _rows_of(text: str, collector: Collector) -> Iterator[tuple[Any, int]]:
    """The rows of a file that is one JSON value, each with its line, or with its number where columns are lists."""
    if text.startswith("[", _skip(text, 0)):
        return _whole_list(text)
    value = json.loads(text)
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        return _items(text, _position(text, "data"))
    columns = value if isinstance(value, dict) else {}
    if not columns or not all(isinstance(column, list) for column in columns.values()):
        remedy = 'Write a list of objects, {"data": [objects]} or an object of lists (pandas: to_json(orient="records"))'
        raise InputError(collector.problem("the file is JSON, but not of a known shape", remedy))
    if len(set(map(len, columns.values()))) > 1:
        sizes = ", ".join(f"{name} {len(column):,}" for name, column in columns.items())
        raise InputError(collector.problem(f"the lists have different lengths: {sizes}", "Make them equally long"))
    return ((dict(zip(columns, row, strict=True)), number) for number, row in enumerate(zip(*columns.values(), strict=True), 1))


def _whole_list(text: str) -> Iterator[tuple[Any, int]]:
    """The items of a text that is one list and nothing else."""
    end = yield from _items(text, _skip(text, 0))
    if text[end:].strip():
        raise json.JSONDecodeError("Something follows the list", text, _skip(text, end))


def _items(text: str, position: int) -> Generator[tuple[Any, int], None, int]:
    """The items of the list that opens at ``position``, each with the line on which it starts. Returns where the list ends."""
    line, counted = 1, 0
    position = _skip(text, position + 1)
    while not text.startswith("]", position):
        line, counted = line + text.count("\n", counted, position), position
        item, position = _DECODER.raw_decode(text, position)
        yield item, line
        position = _skip(text, position)
        if text.startswith(",", position):
            position = _skip(text, position + 1)
        elif not text.startswith("]", position):
            raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
    return position + 1


def _position(text: str, wanted: str) -> int:
    """Where the value of the key ``wanted`` starts in the object that the (valid) text is."""
    position = _skip(text, 0) + 1
    while True:
        key, position = _DECODER.raw_decode(text, _skip(text, position))
        position = _skip(text, _skip(text, position) + 1)  # past the colon
        if key == wanted:
            return position
        _, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position) + 1  # past the comma


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _keep(row: Any, line: int, collector: Collector) -> None:
    """Add a row, or those that are nested in it: the place of each of these is its number, since it has no line of its own."""
    if isinstance(row, dict) and (nested := questions(row)) is not None:
        for inner in nested:
            collector.add(inner, len(collector) + 1)
    elif isinstance(row, dict):
        collector.add(row, line)
    else:
        collector.bad(f"{_NAMES.get(type(row), 'null')} stands where an object should", _SHAPE, line)


def _fault(error: Exception, text: str) -> tuple[str, str]:
    """What is wrong with JSON, and the remedy."""
    if not isinstance(error, json.JSONDecodeError):
        return "the JSON cannot be read: " + ("it is nested too deeply" if isinstance(error, RecursionError) else str(error)), _SHAPE
    if error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()):
        return "the JSON ends in the middle", "Write the rest, or remove it"
    return f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}", _SHAPE
