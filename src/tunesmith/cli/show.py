"""What commands print: lines for people, one JSON document for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
runs_option = click.option("--runs", default="runs", show_default=True, metavar="DIR", help="The folder of all runs.")
run_argument = click.argument("run", metavar="[RUN]", default="last", help="A run: its name, its folder, or last.")
recipe_argument = click.argument("recipe", metavar="RECIPE", help="A recipe file.")
overrides_argument = click.argument(
    "overrides", metavar="[KEY=VALUE]...", nargs=-1, help="Changes to it: training.epochs=5 strategies.freeze.layers=2"
)
GAP = 2  # blanks between columns
SHORT = 6  # rows of a matrix that a terminal has room for
CLEAR = "\r\x1b[2K"


def document(value: Any) -> None:
    """One JSON document on standard output."""
    print(line(value, indent=1))


def line(value: Any, indent: int | None = None) -> str:
    """JSON text; numbers that are not finite are null, as JSON has no words for them."""
    from tunesmith.report.folder import plain

    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def say(message: str) -> None:
    """A line for the user that is no result: on standard error, in the place of the passing one."""
    if first_process():
        print(CLEAR + wrapped(message, GAP, width() - GAP) if live() else message, file=sys.stderr, flush=True)


def wrong(lines: Sequence[str]) -> None:
    """What is wrong, as it is: a command in it can be copied."""
    print((CLEAR if live() else "") + "\n".join(lines), file=sys.stderr, flush=True)


def passing(message: str) -> None:
    """A line that the next one takes the place of: on a terminal alone, and never more than one line long."""
    if first_process() and live():
        print(CLEAR + message[: width() - 1], end="", file=sys.stderr, flush=True)


def live() -> bool:
    """Whether standard error is a terminal that can take a line back."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def first_process() -> bool:
    """Whether this process speaks for all that torchrun started; alone, it does."""
    return os.environ.get("RANK", "0") == "0"


def rows(table: Sequence[Sequence[object]], head: Sequence[str] = ()) -> None:
    """A table with columns as wide as their widest cell; on a terminal the last column is wrapped. Nothing for no rows."""
    if not table:
        return
    lines = [[str(cell) for cell in row] for row in ([head, *table] if head else table)]
    widths = [max(display_width(cell) for cell in column) for column in list(zip(*lines, strict=True))[:-1]]
    margin = sum(widths) + GAP * len(widths)
    for *cells, last in lines:
        start = "".join(cell + " " * (size + GAP - display_width(cell)) for cell, size in zip(cells, widths, strict=True))
        print((start + (wrapped(last, margin, width() - margin) if sys.stdout.isatty() else last)).rstrip())


def learned(pieces: Sequence[tuple[str, bool]], most: int = 2000) -> None:
    """A text in pieces, at most so many characters of it; what is learned is coloured on a terminal, else it stands in brackets."""
    if not pieces:
        return
    marks = ("\x1b[32m", "\x1b[0m") if sys.stdout.isatty() else ("\u27e6", "\u27e7")
    print(f"\nA row as the model reads it; it learns what is {'green' if sys.stdout.isatty() else f'in {marks[0]} {marks[1]}'}:\n")
    for text, is_learned in pieces:
        shown, most = text[: max(0, most)], most - len(text)
        print(f"{marks[0]}{shown}{marks[1]}" if is_learned and shown else shown, end="")
    print(" ..." if most < 0 else "")


def wrapped(text: str, indent: int, room: int) -> str:
    """The text in lines of at most ``room`` columns, where that is enough for words; each but the first is indented."""
    import textwrap

    if room < 20 or display_width(text) <= room:
        return text
    return f"\n{' ' * indent}".join(textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False))


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns


def scores(found: Mapping[str, Any]) -> None:
    """Base, baselines and tuned model with the verdict: drawn in a terminal, plain elsewhere. Before them the runs that it is made of."""
    from rich.console import Console

    from tunesmith.report.table import show

    _parts(found)
    print()
    show(found, Console())


def _parts(found: Mapping[str, Any]) -> None:
    """The trials of a search, the members of an ensemble, the stages of a run, and what a sequence kept."""
    if "search" in found:
        from tunesmith.studies import trials_report

        head, table = trials_report.table(found["search"])
        rows(table[: trials_report.SHOWN], head)
        if "stages" in found:
            print()
    if "ensemble" in found:
        from tunesmith.studies import ensemble_report

        head, table = ensemble_report.table(found)
        rows(table, head)
        print(f"\n{ensemble_report.told(found)}")
    if "stages" in found:
        from tunesmith.studies import stages_report

        head, table = stages_report.table(found["stages"])
        rows(table, head)
    if "sequence" in found:
        from tunesmith.studies import sequence

        head, table = sequence.table(found["sequence"])
        if len(table) <= SHORT:
            print()
            rows(table, head)
        print("\n" + "\n".join(sequence.measures(found["sequence"])))


def warnings(lines: Sequence[str], found: Mapping[str, Any]) -> None:
    """What must not be overlooked in the data, a line each, but for what the verdict on these scores says."""
    from tunesmith.report.table import verdict_lines

    if new := [line for line in lines if line not in verdict_lines(found)]:
        print("\n" + "\n".join(f"WARNING: {line}" for line in new))


def places(run: Path) -> None:
    """Where the report and the model of a run are, or how it is used where its models are those of others."""
    model = f"The model:  {run / 'model'}" if (run / "model").exists() else f"Use it:     tunesmith predict {run} FILE"
    print(f"\nThe report: {run / 'report.html'}\n{model}")


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal: Chinese characters take two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
