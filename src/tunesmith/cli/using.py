"""Commands around a model: init, predict, eval."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show
from tunesmith.cli.asking import Load, labels_options
from tunesmith.cli.tasks import task_option
from tunesmith.core.errors import InputError, Problem

if TYPE_CHECKING:
    from tunesmith.tuned import Tuned

model_argument = click.argument(
    "model", metavar="RUN|MODEL", help="A run (its name, its folder, or last), or a tuned model's folder or hub id."
)


@click.command()
@click.option("--data", required=True, metavar="FILE", help="The rows to learn from: a file, a folder, or sample:name.")
@click.option("--model", metavar="MODEL", help="The pre-trained model; a small one is proposed when absent.")
@click.option("--out", default="recipe.yaml", show_default=True, metavar="FILE", help="The recipe to write.")
@show.json_option
def init(data: str, model: str | None, out: str, as_json: bool) -> None:
    """Look at a data file, and write a commented recipe for it."""
    from tunesmith.recipes.suggest import suggest
    from tunesmith.report.folder import write_text

    check_free(out)
    folder = Path(out).parent
    text = suggest(seen_from(folder, data), model and seen_from(folder, model), folder)
    write_text(Path(out), text)
    if as_json:
        show.document({"recipe": out, "text": text})
    else:
        print(f"{text}\nWritten to {out}. Next: tunesmith check {out}, then tunesmith train {out}")


@click.command()
@model_argument
@click.argument("file", metavar="[FILE]", required=False, help="Rows to predict: a data file, or - for a text a line on standard input.")
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="A text to predict; may be given again.")
@click.option("--out", metavar="FILE", help="File to write; standard output when absent.")
@labels_options
@task_option
@show.runs_option
@show.json_option
def predict(model: str, file: str | None, texts: tuple[str, ...], out: str | None, loaded: Load, runs: str, as_json: bool) -> None:
    """Predict for a file, for standard input, or for --text.

    A file gives a JSON object a line, in the order of its rows; --text a line to read. With --labels, a model is asked that was never
    tuned for them.
    """
    if (file is None) == (not texts):
        message = "There is nothing to predict" if file is None else "Both a file and --text are given"
        raise InputError(Problem(message, "Give FILE, - for standard input, or --text TEXT"))
    if out is not None:
        check_free(out)
    tuned = loaded(model, runs)
    predictions = _of_lines(tuned) if file == "-" else tuned.stream(list(texts) or file, show.say)
    if out is not None:
        number = write(predictions, Path(out))
        show.document({"predictions": number, "file": out}) if as_json else show.say(f"{number:,} predictions in {out}")
    elif as_json:
        show.document(list(predictions))
    elif texts:
        show.rows([_to_read(tuned, text, prediction) for text, prediction in zip(texts, predictions, strict=True)])
    else:
        for prediction in predictions:
            print(show.line(prediction))


@click.command("eval")
@model_argument
@click.option("--data", required=True, metavar="FILE", help="Rows with the truth: a data file, or sample:name/test.")
@labels_options
@task_option
@show.runs_option
@show.json_option
def evaluate(model: str, data: str, loaded: Load, runs: str, as_json: bool) -> None:
    """Judge a run, or any text classifier, on other data.

    With --labels, a model is judged that was never tuned for them.
    """
    from tunesmith.auditing import told, trained_on

    tuned = loaded(model, runs)
    examples = tuned.examples(data, truth=True)
    scores, seen = tuned.scores(examples), trained_on(model, runs, examples)
    if as_json:
        about = {"rows": len(examples), "trained_on": seen}
        show.document({"model": model, "data": data, **about, "primary": tuned.task.primary, "scores": scores})
        return
    if seen:
        show.say(told(seen, len(examples)))
    names = sorted((name for name, value in scores.items() if isinstance(value, int | float)), key=lambda name: name != tuned.task.primary)
    show.rows([(name, f"{scores[name]:.4g}") for name in names])


def check_free(out: str) -> None:
    """Refuse to write where a file is, or where no file can be."""
    if Path(out).exists():
        raise InputError(Problem("this file exists and is not overwritten", "Name another with --out FILE", out))
    if not Path(out).parent.is_dir():
        raise InputError(Problem("there is no such folder", "Make it, or name another file with --out FILE", str(Path(out).parent)))


def seen_from(folder: Path, spec: str) -> str:
    """A path of the working folder as the recipe in ``folder`` names it; whatever is no path stays as it is."""
    path = Path(spec).expanduser()
    is_here = not path.is_absolute() and ":" not in spec and (path.exists() or (bool(path.suffix) and path.parent.is_dir()))
    return os.path.relpath(path, folder) if is_here else spec


def _of_lines(tuned: Tuned) -> Iterator[dict[str, Any]]:
    """Predictions for the lines of standard input, as many at a time as for a file."""
    from tunesmith.tuned import CHUNK

    if sys.stdin.isatty():
        show.say("A text a line; Ctrl-D ends.")
    lines = _lines(sys.stdin.buffer)
    while texts := list(islice(lines, CHUNK)):
        yield from tuned.stream(texts)


def _lines(file: Iterable[bytes]) -> Iterator[str]:
    """The lines of a file. Raises ``InputError`` for one that is empty or no UTF-8: each line has its prediction."""
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(Problem(f"byte 0x{line[error.start]:02x} is not UTF-8", "Give UTF-8", "-", number, error.start + 1)) from error
        if not text.strip():
            raise InputError(Problem("the line is empty", "Leave it out: each line has its prediction", "-", number))
        yield text


def _to_read(tuned: Tuned, text: str, prediction: dict[str, Any]) -> tuple[str, str, str]:
    """A prediction for people: the answer, how sure it is where that is known, and the text."""
    shown = tuned.task.shown(tuned.task.read({"text": text}), prediction)
    answer = shown["predicted"]
    written = f"{answer:.4g}" if isinstance(answer, float) else ", ".join(answer) or "none" if isinstance(answer, list) else str(answer)
    return written, f"{shown['confidence']:.1%}" if "confidence" in shown else "", text


def write(predictions: Iterable[dict[str, Any]], out: Path) -> int:
    """Write predictions, a line each: the whole file, or none. Returns how many."""
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    number = 0
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            for prediction in predictions:
                number += 1
                file.write(show.line(prediction) + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)
    return number
