"""Commands around a model: init, predict, eval."""

from __future__ import annotations

import json as writer
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli import show
from tunesmith.cli.show import Json, Runs
from tunesmith.core.errors import InputError, Problem

Model = Annotated[str, typer.Argument(help="A run (its name, its folder, or last), or a model folder.")]


def init(
    data: Annotated[str, typer.Option(help="The file to learn from.")],
    model: Annotated[str | None, typer.Option(help="The pre-trained model; a fitting one is proposed when absent.")] = None,
    out: Annotated[str, typer.Option(help="The recipe to write.")] = "recipe.yaml",
    json: Json = False,
) -> None:
    """Look at a data file and write a commented recipe for it."""
    from tunesmith.recipes.suggest import suggest

    if Path(out).exists():
        raise InputError(Problem("this file exists and is not overwritten", "Name another with --out FILE", out))
    text = suggest(data, model)
    with Path(out).open("x", encoding="utf-8") as file:
        file.write(text)
    if json:
        show.as_json({"recipe": out, "text": text})
    else:
        print(f"{text}\nWritten to {out}. Next: tunesmith check {out}, then tunesmith train {out}")


def predict(
    model: Model,
    file: Annotated[str | None, typer.Argument(help="Rows to predict: a data file, or - for texts on standard input.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text to predict; may be given again.")] = None,
    out: Annotated[str | None, typer.Option(help="File to write, a JSON object a line; standard output when absent.")] = None,
    runs: Runs = "runs",
    json: Json = False,
) -> None:
    """Predict for the rows of a file, for texts on standard input, or for --text."""
    if (file is None) == (not text):
        raise InputError(
            Problem("there is nothing to predict" if file is None else "both a file and --text are given", "Give FILE or --text")
        )
    if out is not None and Path(out).exists():
        raise InputError(Problem("this file exists and is not overwritten", "Name another with --out FILE", out))
    from tunesmith.tuned import load

    tuned = load(model, runs)
    spec: Any = text or (list(_lines()) if file == "-" else file)
    predictions = tuned.predict(spec)
    if json:
        show.as_json(predictions)
    elif out is None:
        for prediction in predictions:
            print(writer.dumps(prediction, ensure_ascii=False))
    else:
        aside = Path(f"{out}.part")
        aside.write_text("".join(writer.dumps(p, ensure_ascii=False) + "\n" for p in predictions), encoding="utf-8")
        aside.replace(out)
        print(f"{len(predictions):,} predictions in {out}", file=sys.stderr)


def evaluate(
    model: Model,
    data: Annotated[str, typer.Option(help="Rows with the truth: a data file, or sample:name/test.")],
    runs: Runs = "runs",
    json: Json = False,
) -> None:
    """Judge a run or a model folder on other data."""
    from tunesmith.tuned import load

    scores = load(model, runs).evaluate(data)
    if json:
        show.as_json(scores)
        return
    show.rows([(name, f"{value:.4g}") for name, value in scores.items() if isinstance(value, int | float)])


def _lines() -> Iterator[str]:
    """The texts on standard input, one a line."""
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\n")
