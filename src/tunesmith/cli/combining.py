"""Commands over several finished runs: ensemble, compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tunesmith.cli import show
from tunesmith.core.words import counted, duration, size

several_argument = click.argument("which", metavar="RUN...", nargs=-1, required=True, help="Finished runs: names, folders, or last.")
METRICS = 4  # of those that runs have in common, beside the one that decides


@click.command()
@several_argument
@click.option(
    "--how",
    type=click.Choice(["vote", "average", "weighted", "soup", "greedy_soup"]),
    default="average",
    show_default=True,
    help="Votes, mean of probabilities, the same by weights fitted to the validation rows, or mean of weights: of all runs, "
    "or of those that help on the validation rows.",
)
@click.option("--run", default="ensemble", show_default=True, metavar="NAME", help="Name of the new run.")
@show.runs_option
@show.json_option
def ensemble(which: tuple[str, ...], how: str, run: str, runs: str, as_json: bool) -> None:
    """Combine finished runs into one, judged beside them.

    predict and eval take the new run like any other. A soup is an ordinary model; what
    combines predictions asks its members, whose runs must stay where they are.
    """
    show.passing("Reading the runs and their data ...")
    from tunesmith.studies.ensemble import ensemble as together

    report = together(which, how, (Path(runs), run), show.say)
    if as_json:
        show.document({"run": str(report.folder), "scores": report.scores})
        return
    show.scores(report.scores)
    show.places(report.folder)


@click.command()
@several_argument
@click.option("--num", type=click.IntRange(min=0), default=5, show_default=True, help="Rows shown that one run gets right and another not.")
@click.option("--task", default="", metavar="NAME", help="The task that is compared, where a run has several.")
@show.runs_option
@show.json_option
def compare(which: tuple[str, ...], num: int, task: str, runs: str, as_json: bool) -> None:
    """Compare runs that were judged by the same rows.

    Each with the first: scores side by side, differences with their 95% intervals, what
    each cost, and rows that one gets right and the other does not.
    """
    from tunesmith.studies.compare import compare as side_by_side

    found = side_by_side(which, runs, num, task)
    if as_json:
        show.document(found)
        return
    _side_by_side(found["runs"], found["primary"])
    for difference in found["differences"]:
        _difference(difference, found)


def _side_by_side(runs: Sequence[dict[str, Any]], primary: str) -> None:
    """The scores that all have, and what each cost: a row for each run."""
    from tunesmith.report import numbers

    common = [name for name in numbers.scalars(runs[0]["scores"]) if all(name in numbers.scalars(run["scores"]) for run in runs)]
    metrics = sorted(common, key=lambda name: name != primary)[: 1 + METRICS]
    table = [
        [
            run["name"],
            *(numbers.value(name, run["scores"][name]) for name in metrics),
            duration(run["seconds"]),
            size(run["bytes"]),
        ]
        for run in runs
    ]
    show.rows(table, ["run", *map(numbers.title, metrics), "training", "weights"])


def _difference(difference: dict[str, Any], found: dict[str, Any]) -> None:
    """One run against the first, and rows on which they differ."""
    from tunesmith.report import numbers
    from tunesmith.studies.single import difference as delta_and_interval

    delta, interval = delta_and_interval({"primary": found["primary"], "gain": difference["gain"]})
    better, worse = difference["flips"]["fixed"], difference["flips"]["broken"]
    print(f"\n{difference['run']} over {difference['over']}: {numbers.title(found['primary'])} {delta}, 95% interval {interval}")
    print(f"Of {counted(found['examples'], found['split'] + ' row')} {better:,} are better and {worse:,} worse.")
    for rows, title in ((difference["better"], "Better"), (difference["worse"], "Worse")):
        shown = [
            (f"  {row['truth']}", " -> ".join(str(answer.get("predicted")) for answer in row["answers"].values()), row["text"])
            for row in rows
        ]
        if shown:
            print(f"\n{title}, by truth and by what both say:")
            show.rows(shown)
