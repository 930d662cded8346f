"""The command audit: are groups treated alike, and does a prediction hold when he becomes she."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tunesmith.cli import show
from tunesmith.cli.tasks import task_option
from tunesmith.cli.using import model_argument


@click.command()
@model_argument
@click.option("--data", "file", metavar="FILE", help="Rows with the truth; those that the run was judged on when absent.")
@click.option("--group", default="", metavar="COLUMN", help="The column that says which group a row is of; the recipe's when absent.")
@click.option("--swap", metavar="FILE", help="Pairs of words, one a line (he, she): how often do predictions change when they are swapped?")
@task_option
@show.runs_option
@show.json_option
def audit(model: str, file: str | None, group: str, swap: str | None, runs: str, as_json: bool) -> None:
    """Compare how a run treats groups of rows, and how its base did.

    With --swap, words are swapped for their counterparts, and the predictions that change are counted.
    """
    from tunesmith import auditing
    from tunesmith.data.columns import GROUP
    from tunesmith.data.counterfactual import counterparts
    from tunesmith.tuned import load

    words = None if swap is None else counterparts(Path(swap))
    tuned = load(model, runs)
    examples = auditing.rows_of(model, runs, tuned, file, group)
    found: dict[str, Any] = {}
    if words is None or GROUP in examples.rows.columns:
        found = auditing.by_group(model, runs, tuned, examples)
    if words is not None:
        found["swap"] = auditing.counterfactual(tuned, examples, words)
    seen = auditing.trained_on(model, runs, examples) if file else None
    if as_json:
        show.document({**found, "trained_on": seen})
        return
    if seen:
        show.say(auditing.told(seen, len(examples)))
    if "groups" in found:
        _show_groups(found)
    if "swap" in found:
        _show_swaps(found["swap"])


def _show_groups(found: dict[str, Any]) -> None:
    from tunesmith.report.figures import FORMATS
    from tunesmith.report.groups import gap_table, group_table, warnings

    columns, rows = group_table(found)
    formats = [FORMATS[column.get("format", "text")] for column in columns]
    cells = [["-" if value is None else form(value) for form, value in zip(formats, row, strict=True)] for row in rows]
    show.rows(cells, [column["name"].upper() for column in columns])
    head, *gaps = gap_table(found)
    print()
    show.rows(gaps, [name.upper() for name in head])
    if lines := warnings(found):
        print("\n" + "\n".join(lines))


def _show_swaps(found: dict[str, Any]) -> None:
    low, high = found["ci95"]
    print(f"{found['swapped']:,} of {found['rows']:,} rows have words that were swapped; the predictions of {found['changed']:,} changed:")
    print(f"{found['share']:.1%} (95% interval {low:.1%} to {high:.1%})")
    if found["shift"] is not None:
        print(f"Probabilities moved by {found['shift']:.3f} on average.")
    for one in found["examples"]:
        print(f"\n  {one['before']}: {one['text']}\n  {one['after']}: {one['swapped']}")
