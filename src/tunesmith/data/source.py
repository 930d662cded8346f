"""Rows from wherever they are: files, folders, samples, the hub, and values of Python."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from tunesmith.core.errors import InputError, Problem
from tunesmith.data.collect import Collector, collecting
from tunesmith.data.hub import HUB_ID, dataset_table, load_hub
from tunesmith.data.media import is_there
from tunesmith.data.readers import FORMATS, TEXT, Parsed, format_of, read_file, table_rows
from tunesmith.data.rows import Rows

SAMPLE = "sample:"
HERE = "<rows>"  # the "file" of rows that Python code gave
SPLIT_NAMES = {"train": "train|training", "validation": "validation|valid|val|dev", "test": "test"}
_KNOWN = f"Give a file that ends in {' '.join(FORMATS)} (.gz and .zst too)"


def read(spec: Any, skip_bad: bool = False, base: Path | None = None, unit: str = "line") -> tuple[Rows, list[Problem]]:
    """Read rows, and what is wrong with those that were left out.

    ``spec`` is a file, a glob, a folder with a train file, ``sample:name/split``, ``org/name:config/split`` of the hub, or a list of
    those (columns must agree); from Python also a list of dictionaries or texts, a dictionary of lists, a table of pyarrow, pandas or
    polars, or a ``datasets.Dataset``. A list of strings means files where its first string is the name of one.
    Paths start from ``base``. ``unit`` is what of a text file is a row: line, paragraph or file; other sources have rows already.
    Raises ``InputError`` with the problems of all files and rows; ``skip_bad`` leaves bad rows out instead.
    """
    unusable: list[Problem] = []
    parsed: list[Parsed] = []
    for source in _sources(spec, base or Path(), unit, unusable):
        with collecting(unusable):
            parsed.append(source())
    bad = [problem for _, problems in parsed for problem in problems]
    if unusable or (bad and not skip_bad):
        raise InputError(*unusable, *bad)
    parts = [rows for rows, _ in parsed if len(rows)]
    if not parts:
        raise InputError(*bad or [Problem("the data has no rows", "Give at least one")])
    _check_same_columns(parts)
    if unit != "line" and all(format_of(Path(part.place(0)[0])) != TEXT for part in parts):
        raise InputError(
            Problem(f"a {unit} is a row of .txt files, and these are rows already", "Leave the setting out", parts[0].place(0)[0])
        )
    return Rows.join(parts), bad


def beside(spec: Any, split: str, base: Path | None = None) -> Any:
    """Where another split of the same data lies, in the same folder or sample; ``None`` where there is none."""
    if not isinstance(spec, str | Path):
        return None
    if str(spec).startswith(SAMPLE):
        found = "/" not in str(spec) and _split_files(_sample(str(spec)), split)
        return f"{spec}/{split}" if found else None
    folder = (base or Path()) / Path(spec).expanduser()
    found = _split_files(folder, split) if folder.is_dir() else []
    return [str(Path(spec) / path.name) for path in found] or None


def together(spec: Any, base: Path | None = None) -> Any:
    """``spec``, or where it is a folder without a train file, all of its data files but those of validation and test."""
    if not isinstance(spec, str | Path) or not is_there(str(folder := (base or Path()) / Path(spec).expanduser()), Path.is_dir):
        return spec
    if _split_files(folder, "train"):
        return spec
    judged = [path for split in ("validation", "test") for path in _split_files(folder, split)]
    return [path.absolute() for path in data_files(folder) if path not in judged] or spec


def absent(spec: Any, base: Path) -> list[Problem]:
    """What is wrong with the names of files in ``spec``. Nothing is read, and nothing fetched."""
    problems: list[Problem] = []
    names = spec if isinstance(spec, list | tuple) and spec and is_name(spec[0], base) else [spec] if isinstance(spec, str | Path) else []
    for name in names:
        if not str(name).startswith(SAMPLE):
            with collecting(problems):
                _named(str(name), base, read_file)
    return problems


def _sources(spec: Any, base: Path, unit: str, problems: list[Problem]) -> Iterator[Callable[[], Parsed]]:
    """What has to be called to get each part of the data; names that lead nowhere are added to ``problems``."""
    if isinstance(spec, str | Path) or (isinstance(spec, list | tuple) and spec and is_name(spec[0], base)):
        for name in [spec] if isinstance(spec, str | Path) else spec:
            with collecting(problems):
                yield from _named(str(name), base, partial(read_file, unit=unit))
    elif isinstance(spec, Mapping):
        yield partial(_of_columns, spec)
    elif isinstance(spec, list | tuple):
        yield partial(_of_items, spec)
    elif hasattr(spec, "with_format"):
        yield lambda: (table_rows(dataset_table(spec), HERE), [])
    elif hasattr(spec, "__arrow_c_stream__") or hasattr(spec, "__dataframe__"):
        yield partial(_of_table, spec)
    else:
        what = json.dumps(spec) if isinstance(spec, int | float | None) else f"a value of the type {type(spec).__name__}"
        problems.append(Problem(f"rows cannot be read from {what}", "Give a file, a list of dictionaries or a table"))


def is_name(value: Any, base: Path) -> bool:
    """Whether a string names data, rather than being a text."""
    if isinstance(value, Path):
        return True
    if not isinstance(value, str) or "\n" in value:
        return False
    return value.startswith(SAMPLE) or bool(format_of(Path(value))) or is_there(str(base / value))


def _named(name: str, base: Path, reader: Callable[[Path], Parsed]) -> list[Callable[[], Parsed]]:
    """What a name in a recipe stands for; ``reader`` reads a file."""
    if name.startswith(SAMPLE):
        sample, _, split = name.partition("/")
        return [partial(reader, path) for path in _split_of(_sample(sample), split or "train", name)]
    path = without_steps_up(base / Path(name).expanduser())
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"'{name[:40]}...' cannot be the name of a file", "Put texts into a list")) from error
    if is_folder:
        return [partial(reader, file) for file in _split_of(path, "train", str(path))]
    if is_there:
        files = [path]
    elif re.search(r"[*?\[]", name):
        root = Path(path.anchor)
        files = sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())
        if not files:
            raise InputError(Problem("no file matches", "Check the pattern", str(path)))
    elif HUB_ID.fullmatch(name) and not format_of(path) and not path.parent.is_dir():
        return [lambda: (table_rows(load_hub(name), name), [])]
    else:
        near = get_close_matches(path.name, [other.name for other in path.parent.glob("*")], 1)
        raise InputError(Problem("there is no such file", f"Did you mean '{near[0]}'?" if near else "Check the path", str(path)))
    if unknown := [file for file in files if not format_of(file)]:
        raise InputError(*(Problem(f"the format '{file.suffix}' is not known", _KNOWN, str(file)) for file in unknown))
    return [partial(reader, file) for file in files]


def without_steps_up(path: Path) -> Path:
    """The path as people read it: without ``..``, whose folder may be a link to another place."""
    return Path(os.path.normpath(path.parent.resolve() / path.name)) if ".." in path.parts else path


def _sample(spec: str) -> Path:
    from tunesmith.samples.fetch import fetch

    return fetch(spec.removeprefix(SAMPLE), None)


def _split_files(folder: Path, split: str) -> list[Path]:
    """The files of a split in a folder, by their names: ``train.csv``, ``train-00000-of-00002.parquet``."""
    stem = re.compile(rf"({SPLIT_NAMES.get(split, re.escape(split))})(-\d+-of-\d+)?\.", re.IGNORECASE)
    return [path for path in data_files(folder) if stem.match(path.name)]


def data_files(folder: Path) -> list[Path]:
    """The files of a folder whose format is known, by their names, without empty ones."""
    return [path for path in sorted(folder.iterdir()) if format_of(path) and path.stat().st_size]


def _split_of(folder: Path, split: str, name: str) -> list[Path]:
    files = _split_files(folder, split)
    if not files:
        names = ", ".join(path.name for path in data_files(folder)) or "no data file"
        raise InputError(Problem(f"there is no {split} file; there is {names}", "Name a file that is there", name))
    return files


def _of_items(items: Sequence[Any]) -> Parsed:
    """A list of dictionaries, or of texts."""
    collector = Collector(HERE)
    for number, item in enumerate(items, 1):
        if isinstance(item, Mapping):
            collector.add(dict(item), number)
        elif isinstance(item, str):
            collector.add({"text": item}, number)
        else:
            collector.bad(f"a {type(item).__name__} is no row", "Give a dictionary or a text", number)
    return collector.rows(), collector.problems


def _of_columns(columns: Mapping[str, Sequence[Any]]) -> Parsed:
    """A dictionary of lists."""
    if len({len(values) for values in columns.values()}) > 1:
        sizes = ", ".join(f"{name} {len(values):,}" for name, values in columns.items())
        raise InputError(Problem(f"the columns have different lengths: {sizes}", "Make them equally long", HERE))
    return _of_items([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])


def _of_table(value: Any) -> Parsed:
    """A table of pyarrow, pandas, polars, or anything else that speaks Arrow."""
    try:
        table = pa.table(value)
    except (pa.ArrowInvalid, TypeError) as error:
        raise InputError(Problem(f"the table cannot be read: {error}", "Give each column one type", HERE)) from error
    return table_rows(table.select([name for name in table.column_names if not name.startswith("__index_level_")]), HERE), []


def _check_same_columns(parts: Sequence[Rows]) -> None:
    first = parts[0]
    problems = []
    for part in parts[1:]:
        if differing := sorted(set(first.columns) ^ set(part.columns)):
            message = f"the columns differ from those of {first.place(0)[0]}: {', '.join(differing)}"
            problems.append(Problem(message, "Rename or remove them, so that all files have the same", part.place(0)[0]))
    if problems:
        raise InputError(*problems)
