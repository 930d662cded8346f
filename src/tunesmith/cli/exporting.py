"""The command that gives a run's model a folder of its own: export."""

from __future__ import annotations

from typing import Any

import click

from tunesmith.cli import show
from tunesmith.core.errors import InputError, Problem


@click.command()
@click.argument("run", metavar="RUN", help="A finished run: its name, its folder, or last.")
@click.option(
    "--to", "form", type=click.Choice(["merged", "adapter"]), default="merged", show_default=True, help="Whole weights, or PEFT's."
)
@click.option("--out", metavar="DIR", help="The new folder; exported-merged or exported-adapter in the run's when absent.")
@click.option("--with", "others", multiple=True, metavar="RUN", help="A run whose adapter is composed with it; may be given again.")
@click.option(
    "--how",
    type=click.Choice(["add", "stack", "average", "linear", "ties", "dare", "dare_ties"]),
    help="How adapters become one, average when absent: docs/adapters.md.",
)
@click.option("--weights", metavar="NUMBERS", help="What each adapter weighs, RUN's first: 0.5,0.3,0.2; all alike when absent.")
@click.option("--density", type=click.FloatRange(0, 1, min_open=True), help="Share of each adapter that is kept: ties 0.2, dare 0.5.")
@show.runs_option
@show.json_option
def export(run: str, out: str | None, others: tuple[str, ...], runs: str, as_json: bool, form: str, **given: Any) -> None:
    """Write a run's model into a plain folder, its adapter merged.

    The folder is loaded again, and its outputs are compared with those of the adapter. Adapters
    of one base and one task can be composed: --with RUN.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if chosen and not others:
        raise InputError(Problem(f"--{' and --'.join(chosen)} compose several adapters", "Name another run: --with RUN"))
    if "weights" in chosen:
        chosen["weights"] = _numbers(chosen["weights"])
    show.passing("Loading the model ...")
    from tunesmith.composing import WAYS, Composition
    from tunesmith.merging import export as exporting

    composition = Composition(**chosen) if others else None
    done = exporting(run, out, form=form, others=others, composition=composition, runs=runs)
    show.passing("")
    apart = done.difference
    if as_json:
        facts = {"folder": done.folder, "form": done.form, "adapters": done.adapters, "how": composition and composition.how}
        show.document({**facts, "difference": apart and apart.largest, "share": apart and apart.share, "tried": done.tried})
        return
    if done.form == "whole":
        show.say("The run has no adapter: its model is whole already, and is copied.")
    if composition:
        show.say(f"{done.adapters} adapters are composed by {composition.how} ({WAYS[composition.how].peft} of peft).")
    if apart:
        show.say(f"Outputs before and after differ by at most {apart.largest:.1e} ({apart.share:.1e} of the largest), on {done.tried}.")
    print(f"The model: {done.folder}")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(Problem(f"'{text}' is not a list of numbers", "Write --weights 0.5,0.3,0.2")) from None
