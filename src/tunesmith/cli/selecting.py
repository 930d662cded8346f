"""The command select: which rows to label next, which labels to look at again, which rows to learn from."""

from __future__ import annotations

from typing import Any

import click

from tunesmith.cli import show
from tunesmith.cli.tasks import task_option
from tunesmith.core.words import counted


@click.command()
@click.argument("model", metavar="RUN|MODEL|RECIPE", help="A run, or any model; for diversity and label_error a recipe, too.")
@click.argument("file", metavar="FILE", help="Rows without labels: a data file, or sample:name. With labels for label_error and gradient.")
@click.option(
    "--by",
    type=click.Choice(["uncertainty", "margin", "entropy", "diversity", "label_error", "gradient", "perplexity"]),
    default="uncertainty",
    show_default=True,
    help="Least sure predictions, rows far apart, labels likely wrong, rows that help with a target, or those foreseen best.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="N",
    help="label_error: judge each of N parts by what the others teach in the model's vectors; 5 where the model has no head.",
)
@click.option("--target", metavar="FILE", help="gradient: some rows with labels, of the kind that the model is to be right on.")
@click.option("--num", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows.")
@click.option("--out", metavar="FILE", help="File to write, a JSON object a line; standard output when absent.")
@task_option
@show.runs_option
@show.json_option
def select(model: str, file: str, out: str | None, runs: str, as_json: bool, **how: Any) -> None:
    """Find rows to label next, to learn from, or labelled wrongly.

    The best comes first, each with its row number (from 0) and score; by label_error with the label that is likely instead, where
    confident learning finds one; by gradient with the cosine of its gradient and that of the target, -1 to 1;
    by perplexity with that, the lowest first.
    """
    from pathlib import Path

    from tunesmith.cli.using import check_free, write

    if out is not None:
        check_free(out)
    from tunesmith import selecting

    found = selecting.select(model, file, selecting.Way(**how), runs=runs, say=show.say)
    if out is not None:
        number = write(found, Path(out))
        show.document({"rows": number, "file": out}) if as_json else show.say(f"{counted(number, 'row')} in {out}")
    elif as_json:
        show.document(found)
    else:
        for row in found:
            print(show.line(row))
