"""What commands print: lines for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Runs = Annotated[str, typer.Option(help="Folder that holds the runs.")]


def as_json(value: Any) -> None:
    """One JSON object on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def rows(table: Sequence[Sequence[object]], head: Sequence[str] = ()) -> None:
    """A table with columns as wide as their widest cell; nothing for no rows."""
    if not table:
        return
    lines = [[str(cell) for cell in row] for row in ([head, *table] if head else table)]
    widths = [max(display_width(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell + " " * (width - display_width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip())


def scores(found: Mapping[str, Any]) -> None:
    """Base, baselines and tuned model with the verdict: drawn in a terminal, plain elsewhere."""
    from rich.console import Console

    from tunesmith.report.table import show

    print()
    show(found, Console())


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal: Chinese characters take two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(number: float) -> str:
    """Bytes as ``120 MB`` or ``1.4 GB``."""
    return f"{number / 1e6:.0f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"
