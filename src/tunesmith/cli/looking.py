"""Commands that look and change nothing: check, explain, report, list, env."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show
from tunesmith.core.words import duration, size

if TYPE_CHECKING:
    from tunesmith.checking import Checked
    from tunesmith.engine.optimizer import Rates
    from tunesmith.explaining import Explanation, Phase


@click.command()
@show.recipe_argument
@show.overrides_argument
@click.option("--find-rate", is_flag=True, help="Find a learning rate instead: a short run whose rate rises until the loss does.")
@click.option("--out", metavar="FILE", help="With --find-rate: a file to draw the losses into, as SVG.")
@show.json_option
def check(recipe: str, overrides: tuple[str, ...], find_rate: bool, out: str | None, as_json: bool) -> None:
    """Look before training: data, lengths, what learns, the cost.

    Time and memory are estimated from a few steps, done on a copy that is thrown
    away. Nothing is written but into the cache.
    """
    if find_rate or out:
        _find_rate(recipe, overrides, find_rate, out, as_json)
        return
    show.passing("Reading the recipe and its data, and timing a few steps ...")
    from tunesmith.recipes.recipe import read_recipe
    from tunesmith.studies.whole import check as look

    stages = look(read_recipe(recipe, overrides), show.say)
    show.passing("")
    if as_json:
        _documents({name: checked.plain() for name, checked in stages.items()})
        return
    for name, checked in stages.items():
        _stage(name, len(stages))
        show.rows([line for title, lines in _found(checked).items() for line in zip((title, *[""] * len(lines)), lines, strict=False)])
        show.learned(checked.preview)
    print(f"\nReady. Next: {shlex.join(['tunesmith', 'train', recipe, *overrides])}")


def _documents(stages: dict[str, Any]) -> None:
    """What was found, as one document: of a recipe of several stages by the name of each."""
    show.document({"stages": stages} if len(stages) > 1 else next(iter(stages.values())))


def _stage(name: str, stages: int) -> None:
    """The heading of one of several stages."""
    if stages > 1:
        print(f"\nStage {name}\n")


def _find_rate(recipe: str, overrides: tuple[str, ...], asked: bool, out: str | None, as_json: bool) -> None:
    """The range test, drawn and told."""
    from tunesmith.core.errors import InputError, Problem

    if not asked:
        raise InputError(Problem("--out is read with --find-rate alone", "Give both, or take it out"))
    if out and Path(out).exists():
        raise InputError(Problem("this file exists and is not overwritten", "Name another with --out FILE", out))
    show.passing("Reading the recipe and its data, and trying rates ...")
    from tunesmith import rate_finder
    from tunesmith.recipes.recipe import read_recipe
    from tunesmith.report.folder import write_text

    found = rate_finder.find_rate(read_recipe(recipe, overrides), show.say)
    show.passing("")
    if out:
        write_text(Path(out), rate_finder.svg(found))
    if as_json:
        show.document(rate_finder.plain(found))
        return
    print("Loss over the learning rate:\n\n" + "\n".join(rate_finder.drawn(found)))
    print(f"\nIt falls fastest at {found.steepest:.1e} and is lowest at {found.lowest:.1e}. A good rate: {found.rate:g}")
    print(f"Next: {shlex.join(['tunesmith', 'train', recipe, *overrides, f'training.learning_rate={found.rate:g}'])}")


def _found(checked: Checked) -> dict[str, list[str]]:
    """What was found: titles, and the lines under each."""
    cost, (median, most, longest) = checked.cost, checked.lengths
    cut = f"{checked.truncated:,} of {checked.rows:,} rows are cut by {checked.bounds}" if checked.truncated else "no row is cut"
    return {
        "model": [checked.model],
        "data": checked.notes,
        "auto": [line.removeprefix("auto: ") for line in checked.decided],
        "tokens": [f"median {median:,}, 95% of rows at most {most:,}, longest {longest:,}; {cut}"],
        "rate": [_rate(checked.rates)],
        "learns": [*(_when(phase, len(checked.phases)) for phase in checked.phases), *checked.said],
        "cost": [
            f"{cost.steps:,} steps, about {duration(cost.seconds)} at {cost.tokens_per_second:,.0f} tokens/s",
            f"memory {size(cost.memory)} of {size(cost.memory_here)}, disk {size(cost.disk)} of {size(cost.disk_here)}",
        ],
        "WARNING": [*map(str, checked.findings), *cost.warnings()],
    }


def _rate(rates: Rates) -> str:
    """The highest rate and that of the head, with their sources."""
    head = "" if rates.head == rates.rate else f"; head {rates.head:.3g}: {rates.head_source}"
    return f"{rates.rate:.3g}: {rates.source}{head}"


def _when(phase: Phase, phases: int) -> str:
    return phase.learns if phases == 1 else f"steps {phase.first:,}-{phase.last:,}: {phase.learns}"


@click.command()
@show.recipe_argument
@show.overrides_argument
@show.json_option
def explain(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show which strategy acts where, and which layers learn when.

    Strategies wrap each other in the order of the recipe, the first outermost.
    """
    show.passing("Reading the recipe, its data and its model ...")
    from tunesmith.recipes.recipe import read_recipe
    from tunesmith.studies.whole import explain as look

    stages = look(read_recipe(recipe, overrides), show.say)
    show.passing("")
    if as_json:
        _documents({name: asdict(explained) for name, explained in stages.items()})
        return
    for name, explained in stages.items():
        _stage(name, len(stages))
        _explained(explained)


def _explained(explained: Explanation) -> None:
    """One stage, for people."""
    from tunesmith import explaining

    if explained.decided:
        print("What auto chose, and why:\n")
        show.rows([("", line.removeprefix("auto: ")) for line in explained.decided])
        print()
    print("Who acts where, the outermost first:\n")
    show.rows([(f"  {seam}", " > ".join(names) or "-", explaining.MEANINGS[seam]) for seam, names in explained.seams.items()])
    print(f"\nThe highest learning rate is {_rate(explained.rates)}.")
    print("\nWhat learns when, at which multiples of it:\n")
    table = [(f"  {p.first:,}-{p.last:,}", p.rates, p.learns) for p in explained.phases]
    show.rows(table, ("  STEPS", "MULTIPLES", "LEARNS"))
    if not explained.foresees:
        print("\nA strategy decides as it goes: this is how the run begins.")


@click.command()
@show.run_argument
@show.runs_option
@show.json_option
def report(run: str, runs: str, as_json: bool) -> None:
    """Show the scores of a run, and where its report is."""
    from tunesmith.core.errors import InputError, Problem
    from tunesmith.report.folder import find, resuming

    folder = find(Path(runs), run)
    scores = _scores(folder)
    if not scores:
        raise InputError(Problem("the run is not finished", resuming(folder), str(folder)))
    if as_json:
        show.document({"run": str(folder), "scores": scores})
        return
    show.scores(scores)
    show.places(folder)


@click.command("list")
@click.argument("what", metavar="[runs|strategies|tasks]", default="runs", help="What to list.")
@show.runs_option
@show.json_option
def listing(what: str, runs: str, as_json: bool) -> None:
    """List the runs, the strategies or the tasks.

    A run is finished, running, failed or unfinished.
    """
    from tunesmith.core.errors import InputError, Problem
    from tunesmith.recipes.find import about, did_you_mean, names

    listings: dict[str, Callable[[], list[dict[str, object]]]] = {
        "runs": lambda: _runs(Path(runs)),
        "strategies": lambda: [{"name": name, "about": about("strategies", name)} for name in names("strategies")],
        "tasks": lambda: [{"name": name, "about": about("tasks", name).replace("``", "")} for name in names("tasks")],
    }
    if what not in listings:
        raise InputError(Problem(f"'{what}' cannot be listed", did_you_mean(what, listings)))
    found = listings[what]()
    if as_json:
        show.document(found)
    elif found:
        show.rows([[_cell(value) for value in item.values()] for item in found], [key.upper() for key in found[0]])
    else:
        print(f"There are no runs in {runs}.")


def _runs(runs: Path) -> list[dict[str, object]]:
    """The runs, the oldest first."""
    from tunesmith.report.folder import all_in, busy

    found = []
    for folder in all_in(runs):
        scores = _scores(folder)
        metric = scores.get("primary")
        base, tuned = (scores.get(side, {}).get(metric) for side in ("base", "tuned"))
        state = "finished" if scores else "running" if busy(folder) else "failed" if _failed(folder) else "unfinished"
        found.append({"run": folder.relative_to(runs).as_posix(), "state": state, "metric": metric, "base": base, "tuned": tuned})
    return found


def _failed(folder: Path) -> bool:
    """Whether an error ended the run, such as a loss that diverged."""
    from tunesmith.core.json_lines import read_lines

    events = folder / "events.jsonl"
    last = read_lines(events)[-1:] if events.exists() else []
    return '"reason": "failed"' in "".join(last)


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _scores(folder: Path) -> dict[str, Any]:
    """The scores of a run; nothing where it is not finished. Raises ``IntegrityError``."""
    import json

    from tunesmith.core.errors import IntegrityError, Problem

    path = folder / "scores.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    except ValueError as error:
        raise IntegrityError(Problem(f"this is not what was written ({error})", "Delete it, and resume the run", str(path))) from error


@click.command()
@show.json_option
def env(as_json: bool) -> None:
    """Show versions, hardware and device, for reports of faults."""
    from tunesmith.engine.precision import device, has_bfloat16
    from tunesmith.report.folder import environment
    from tunesmith.samples.fetch import cache

    found = {**environment(), "precision": "bfloat16" if has_bfloat16(device()) else "float32", "cache": str(cache())}
    if as_json:
        show.document(found)
        return
    text = {key: ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value for key, value in found.items()}
    show.rows(list(text.items()))
