"""The command select: which rows to label next, which labels to look at again."""

from __future__ import annotations

import click

from tunesmith.cli import show
from tunesmith.cli.using import model_argument


@click.command()
@model_argument
@click.argument("file", metavar="FILE", help="Rows without labels: a data file, or sample:name. With labels for label_error.")
@click.option(
    "--by",
    type=click.Choice(["uncertainty", "margin", "entropy", "diversity", "label_error"]),
    default="uncertainty",
    show_default=True,
    help="Least sure predictions, rows far apart, or labels that the model finds unlikely.",
)
@click.option("--num", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows.")
@click.option("--out", metavar="FILE", help="File to write, a JSON object a line; standard output when absent.")
@show.runs_option
@show.json_option
def select(model: str, file: str, by: str, num: int, out: str | None, runs: str, as_json: bool) -> None:
    """Find the rows to label next, or whose labels are likely wrong.

    The best comes first, each with its row number (from 0) and score.
    """
    from pathlib import Path

    from tunesmith.cli.using import check_free, write

    if out is not None:
        check_free(out)
    from tunesmith import selecting
    from tunesmith.tuned import load

    found = selecting.select(load(model, runs), file, by, num)
    if out is not None:
        number = write(found, Path(out))
        show.document({"rows": number, "file": out}) if as_json else show.say(f"{number:,} rows in {out}")
    elif as_json:
        show.document(found)
    else:
        for row in found:
            print(show.line(row))
