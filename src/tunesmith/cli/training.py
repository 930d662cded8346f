"""Commands that train: quickstart, train, resume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli import show
from tunesmith.cli.show import Json, Runs

if TYPE_CHECKING:
    from tunesmith.core.observer import Observer
    from tunesmith.recipes.recipe import Recipe
    from tunesmith.run import Report

Overrides = Annotated[list[str] | None, typer.Argument(help="Changes to the recipe: training.epochs=5", metavar="[KEY=VALUE]...")]
SENTENCES = (
    "A tender, funny film that I will watch again.",
    "The plot makes no sense and the jokes fall flat.",
    "The battery died after two days, and nobody answers my letters.",
)


def quickstart(runs: Runs = "runs", json: Json = False) -> None:
    """Tune a small real model on real film and product reviews: about two minutes on two cores."""
    from importlib.resources import files

    from tunesmith.recipes.recipe import read_recipe
    from tunesmith.tuned import load

    recipe = read_recipe(str(files("tunesmith.recipes") / "quickstart.yaml"))
    name = free_name(Path(runs), "quickstart")
    report = _train(recipe, name, runs)
    predictions = load(report.folder).predict(list(SENTENCES))
    if json:
        show.as_json({"run": str(report.folder), "scores": report.scores, "predictions": predictions})
        return
    _print(report)
    print("\nThree sentences that it has never seen:")
    show.rows([(f"  {p['label']}", f"{max(p['probabilities'].values()):.0%}", s) for p, s in zip(predictions, SENTENCES, strict=True)])
    print("\nTry next:")
    print(f'  tunesmith predict {name} --text "Not bad at all."')
    print("  tunesmith init --data YOUR_FILE.csv      # a recipe for your own data")
    print("  tunesmith explain runs/quickstart/recipe.yaml" if runs == "runs" else f"  tunesmith report {name} --runs {runs}")


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe file.")],
    overrides: Overrides = None,
    run: Annotated[str, typer.Option(help="Name of the run; the recipe's name when absent.")] = "",
    runs: Runs = "runs",
    json: Json = False,
) -> None:
    """Train what a recipe says, and report how much better than its base the model became."""
    from tunesmith.recipes.recipe import read_recipe

    _finish(_train(read_recipe(recipe, overrides or []), run, runs), json)


def resume(
    run: Annotated[str, typer.Argument(help="A run: its name, its folder, or last.")], runs: Runs = "runs", json: Json = False
) -> None:
    """Go on with an interrupted run, to the same result as if it had never stopped."""
    from tunesmith import run as runner
    from tunesmith.cli.progress import observer
    from tunesmith.report.folder import find

    _finish(runner.resume(find(Path(runs), run), _watch(observer())), json)


def free_name(runs: Path, name: str) -> str:
    """``name``, or ``name-2``, ``name-3``, ... where runs of that name exist."""
    taken, number = name, 1
    while (runs / taken).exists():
        number += 1
        taken = f"{name}-{number}"
    return taken


def _train(recipe: Recipe, name: str, runs: str) -> Report:
    from tunesmith import run as runner
    from tunesmith.cli.progress import observer

    return runner.train(recipe, run=name, runs=runs, watch=_watch(observer()))


def _watch(progress: Observer) -> list[Observer]:
    import os

    return [progress] if os.environ.get("RANK", "0") == "0" else []


def _finish(report: Report, json: bool) -> None:
    import os

    if os.environ.get("RANK", "0") != "0":
        return
    if json:
        show.as_json({"run": str(report.folder), "scores": report.scores})
    else:
        _print(report)


def _print(report: Report) -> None:
    show.scores(report.scores)
    print(f"\nThe report: {report.folder / 'report.html'}\nThe model:  {report.folder / 'model'}")
