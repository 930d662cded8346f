"""The command advise: which model, which strategies, and what that will cost here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunesmith.cli import show
from tunesmith.cli.using import check_free, seen_from
from tunesmith.core.words import counted, duration, size

if TYPE_CHECKING:
    from tunesmith.advising import Option, Recommendation

USUAL = "recipe.yaml"
PLACES = {"here": "at hand", "sample": "our sample", "hub": "on the hub"}


@click.command()
@click.argument("data", metavar="DATA", help="The rows to learn from: a file, a folder, or sample:name.")
@click.option("--task", default="", metavar="TASK", help="What is to be learned; told by the columns when absent.")
@click.option("--memory", metavar="SIZE", help="Memory that training may take, 8GB; all of this machine when absent.")
@click.option("--time", "seconds", metavar="TIME", help="Time that training may take, 10min or 2h; enough when absent.")
@click.option("--language", default="", metavar="CODE", help="Languages of the texts, zh or zh,en; told by their letters when absent.")
@click.option("--out", metavar="FILE", help="The recipe to write; recipe.yaml when absent, unless it exists.")
@show.json_option
def advise(data: str, task: str, memory: str | None, seconds: str | None, language: str, out: str | None, as_json: bool) -> None:
    """Say which model and strategies suit the data, and the cost.

    Time and memory are estimates: from arithmetic, and the speed of matrix products
    here. A recipe is written; nothing is fetched or trained.
    """
    if out:
        check_free(out)
    file = Path(out or USUAL)
    show.passing("Looking at the data, and at the speed of this machine ...")
    from tunesmith.advising import limits_of, recommend
    from tunesmith.report.folder import write_text

    found = recommend(seen_from(file.parent, data), limits_of(memory, seconds), task, language, file.parent)
    free = not file.exists()
    if free:
        write_text(file, found.recipe)
    show.passing("")
    if as_json:
        show.document({"file": str(file) if free else None, **found.plain()})
        return
    _show(found)
    if free:
        print(f"\nWritten to {file}. Next: tunesmith check {file}, then tunesmith train {file}")
    else:
        print(f"\n{file} exists and is not overwritten: have this recipe written with --out FILE")


def _show(found: Recommendation) -> None:
    """The advice on one screen."""
    from tunesmith.advising import SHOWN

    held = f" and {found.held:,} to judge by" if found.held else ""
    lengths = f", about {found.tokens[0]:,.0f} tokens each, the longest {found.tokens[1]:,}" if found.tokens else ""
    language = f"; language: {found.language}" if found.language else ""
    print(f"{counted(found.rows, 'row')}{held} for {found.task}{lengths}{language}\n")
    others = [one for one in found.options if one is not found.chosen]
    rows = [_model(one, one is found.chosen) for one in [found.chosen, *others][:SHOWN]]
    show.rows(rows, ("", "MODEL", "SIZE", "LICENCE", "WHERE", "TIME", "MEMORY", "FITS", ""))
    print("\nWhat it does, and why:\n")
    measured = {True: "; measured here", False: ""}
    reasons = [f"{d.why} ({d.source}{measured[bool(d.measured)]})" for d in found.chosen.advice.decisions]
    choices = [f"{d.topic}: {d.choice}" for d in found.chosen.advice.decisions]
    show.rows([("", *row) for row in zip(choices, reasons, strict=True)])
    print()
    for line in _verdict(found):
        print(line)


def _model(one: Option, is_chosen: bool) -> tuple[str, ...]:
    """A row of the table of models."""
    model = one.model
    cost = (duration(one.seconds), size(one.memory), "yes" if one.fits else "no")
    return "*" if is_chosen else "", model.spec, f"{model.parameters:g} M", model.licence, PLACES[one.place], *cost, model.note


def _remedy(found: Recommendation) -> str:
    """What could be done where nothing keeps within the limits."""
    from tunesmith.recipes.cost import RUNTIME

    chosen, limits = found.chosen, found.limits
    if "tight_memory" in chosen.over and limits.memory <= RUNTIME:
        return f"Python, torch and transformers alone take about {size(RUNTIME)}, so allow more"
    if "tight_memory" in chosen.over:
        quantized = ", or qlora (4 bits a weight)" if chosen.model.model == "decoder" else ""
        return f"take a smaller model, lower task.max_length{quantized}, or allow more memory"
    return f"data.max_rows={chosen.fitting_rows} would, or allow more time" if chosen.fitting_rows else "allow more time"


def _shorter(option: Option) -> str:
    """The same model in less time."""
    from tunesmith.advising import SHORT

    instead = "; ".join(option.changed())
    return f"With --time {SHORT / 60:.0f}min it would take about {duration(option.seconds)}, and do instead: {instead}."


def _verdict(found: Recommendation) -> list[str]:
    """Whether it fits, what was changed for that, and what the figures are worth."""
    chosen, limits = found.chosen, found.limits
    most = size(limits.memory) + (f" and {duration(limits.seconds)}" if limits.seconds is not None else "")
    fits = f"It keeps within {most}." if chosen.fits else f"It does NOT keep within {most}: {_remedy(found)}."
    changed = chosen.changed()
    speed = f"{found.speed.flops / 1e9:,.0f} billion operations a second of {found.speed.dtype} matrix products, timed just now"
    return [
        fits + (f" Changed for that: {'; '.join(changed)}." if changed else ""),
        *([_shorter(found.shorter)] if found.shorter else []),
        f"Rough estimates, for {speed}: tunesmith check measures real steps.",
    ]
