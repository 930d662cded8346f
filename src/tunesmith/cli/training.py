"""Commands that train: quickstart, train, search, ablate, resume."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunesmith.cli import show
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.words import counted

if TYPE_CHECKING:
    from tunesmith.recipes.recipe import Recipe
    from tunesmith.run import Report

SENTENCES = (
    "A tender, funny film that I will watch again.",
    "The plot makes no sense and the jokes fall flat.",
    "The battery died after two days, and nobody answers my letters.",
)


@click.command()
@show.runs_option
@show.json_option
def quickstart(runs: str, as_json: bool) -> None:
    """Tune a small real model on real reviews, in about two minutes."""
    from importlib.resources import files

    from tunesmith.recipes.recipe import read_recipe
    from tunesmith.tuned import load

    recipe = read_recipe(str(files("tunesmith.recipes") / "quickstart.yaml"))
    name = free_name(Path(runs), "quickstart")
    report = _train(recipe, name, runs)
    predictions = load(report.folder).predict(list(SENTENCES))
    if as_json:
        show.document({"run": str(report.folder), "scores": report.scores, "predictions": predictions})
        return
    show.scores(report.scores)
    print("\nThree sentences that it has never seen:\n")
    show.rows([(f"  {p['label']}", f"{max(p['probabilities'].values()):.0%}", s) for p, s in zip(predictions, SENTENCES, strict=True)])
    show.places(report.folder)
    print("\nTry next:\n")
    print(f'  tunesmith predict {shlex.quote(str(report.folder))} --text "Not bad at all."')
    print(f"  tunesmith explain {shlex.quote(str(report.folder / 'recipe.yaml'))}")
    print("  tunesmith init YOUR_FILE.csv      # a recipe for your own data")


@click.command()
@show.recipe_argument
@show.overrides_argument
@click.option("--run", metavar="NAME", help="Name of the run; the recipe's name when absent.")
@show.runs_option
@show.json_option
def train(recipe: str, overrides: tuple[str, ...], run: str | None, runs: str, as_json: bool) -> None:
    """Train what a recipe says, and prove what it brought.

    The run is written to DIR/NAME; a run that exists is never overwritten. Ctrl-C
    leaves it resumable. Under torchrun, name=NAME stands for --run NAME.
    """
    show.passing("Getting ready ...")
    from tunesmith.recipes.recipe import read_recipe

    _finish(_train(read_recipe(recipe, overrides), run, runs), as_json)


@click.command()
@show.recipe_argument
@show.overrides_argument
@click.option("--trials", type=click.IntRange(min=1), help="Recipes that are tried at most; what the recipe says when absent.")
@click.option("--time", "most", metavar="TIME", help="Time after which no other trial begins: 30min, 2h.")
@click.option("--run", metavar="NAME", help="Name of the run; the recipe's name when absent.")
@show.runs_option
@show.json_option
def search(
    recipe: str, overrides: tuple[str, ...], trials: int | None, most: str | None, run: str | None, runs: str, as_json: bool
) -> None:
    """Find the best of the recipes that a search spans.

    What varies stands under search in the recipe. Trials are judged on the validation
    rows, the best one then on the test rows; its model is that of the run. Ctrl-C leaves
    the search resumable.
    """
    show.passing("Getting ready ...")
    from tunesmith.recipes.recipe import read_recipe

    given = {"trials": trials, "time": most}
    made = read_recipe(recipe, [*overrides, *(f"search.{key}={value}" for key, value in given.items() if value is not None)])
    if made.search is None:
        remedy = "Add search: {space: {training.learning_rate: {low: 1e-5, high: 1e-3, scale: log}}}, for example"
        raise InputError(Problem("the recipe does not say what to search", remedy, recipe))
    _finish(_train(made, run, runs), as_json)


@click.command()
@show.recipe_argument
@show.overrides_argument
@click.option("--run", default="", metavar="NAME", help="Name of the folder of runs that is made; the recipe's and -ablation when absent.")
@show.runs_option
@show.json_option
def ablate(recipe: str, overrides: tuple[str, ...], run: str, runs: str, as_json: bool) -> None:
    """Tell what each strategy of a recipe brings.

    The recipe is trained with all of them and without each in turn, and judged on the same
    rows. The same command goes on with what is not finished.
    """
    show.passing("Getting ready ...")
    from tunesmith.cli.progress import observers
    from tunesmith.recipes.recipe import read_recipe
    from tunesmith.report import numbers
    from tunesmith.studies import ablate as study

    made = read_recipe(recipe, overrides)
    place = Path(runs) / (run or f"{made.name}-ablation")
    found = study.ablate(made, place, observers(), show.say)
    if as_json:
        show.document({"folder": str(place), **found})
        return
    metric = found["primary"]
    score = numbers.value(metric, found["scores"][metric])
    print(f"With all strategies {numbers.title(metric)} is {score}, on {counted(found['examples'], 'row')}.\n")
    show.rows(study.table(found), ["", "score", "it brings", "95% interval"])
    print(f"\nThe runs: {place}")


@click.command()
@show.run_argument
@show.runs_option
@show.json_option
def resume(run: str, runs: str, as_json: bool) -> None:
    """Go on with a run that was interrupted.

    The result is that of a run that never stopped.
    """
    show.passing("Getting ready ...")
    from tunesmith.cli.progress import observers
    from tunesmith.studies import whole

    _finish(whole.resume(run, observers(), runs=runs), as_json)


def free_name(runs: Path, name: str) -> str:
    """``name``, or ``name-2``, ``name-3``, ... where runs of that name exist."""
    taken, number = name, 1
    while (runs / taken).exists():
        number += 1
        taken = f"{name}-{number}"
    return taken


def _train(recipe: Recipe, name: str | None, runs: str) -> Report:
    from tunesmith.cli.progress import observers
    from tunesmith.studies import whole

    return whole.train(recipe, run=name, runs=runs, watch=observers())


def _finish(report: Report, as_json: bool) -> None:
    if as_json:
        show.document({"run": str(report.folder), "scores": report.scores})
        return
    show.scores(report.scores)
    show.warnings(report.facts.warnings, report.scores)
    show.places(report.folder)
