"""Commands around a model: init, predict, eval."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show
from tunesmith.cli.asking import Load, labels_options
from tunesmith.cli.tasks import task_option
from tunesmith.core.errors import InputError, Problem

if TYPE_CHECKING:
    from tunesmith.core.task import Prediction, Row, Task
    from tunesmith.tuned import Tuned

    Asked = tuple[int, Row]  # a row to predict, and the number of its line or text, from 1

FIRST = 6  # numbers of a vector that a terminal shows
LINES = 'A text, or a row as in {"text": "..."}, a line; Ctrl-D ends.'

model_argument = click.argument(
    "model", metavar="RUN|MODEL", help="A run (its name, its folder, or last), or a tuned model's folder or hub id."
)


@click.command()
@click.argument("data", metavar="[DATA]", required=False, help="The rows to learn from: a file, a folder, or sample:name.")
@click.option("--data", "named", metavar="DATA", help="The same, by name.")
@click.option("--model", metavar="MODEL", help="The pre-trained model; a small one is proposed when absent.")
@click.option("--out", default="recipe.yaml", show_default=True, metavar="FILE", help="The recipe to write.")
@show.json_option
def init(data: str | None, named: str | None, model: str | None, out: str, as_json: bool) -> None:
    """Look at a data file, and write a commented recipe for it."""
    from tunesmith.recipes.suggest import suggest
    from tunesmith.report.folder import write_text

    if (data is None) == (named is None):
        message = "There are no rows to look at" if data is None else "The rows are named twice"
        raise InputError(Problem(message, "Name them once: tunesmith init FILE"))
    data = data or named or ""
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
@click.argument(
    "file",
    metavar="[FILE]",
    required=False,
    help="Rows to predict: a data file, a picture, a recording, or - for a line each on standard input.",
)
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="A text to predict; may be given again.")
@click.option("--out", metavar="FILE", help="File to write; standard output when absent.")
@labels_options
@task_option
@show.runs_option
@show.json_option
def predict(model: str, file: str | None, texts: tuple[str, ...], out: str | None, loaded: Load, runs: str, as_json: bool) -> None:
    """Predict for a file, for standard input, or for --text.

    A file gives a JSON object a line, in the order of its rows, with the id of each where it has one; --text what people read. Lines on
    standard input are texts, paths of pictures or recordings, or JSON objects where the first is one. With --labels, a model is asked
    that was never tuned for them.
    """
    if (file is None) == (not texts):
        message = "There is nothing to predict" if file is None else "Both a file and --text are given"
        raise InputError(Problem(message, "Give FILE, - for standard input, or --text TEXT"))
    if out is not None:
        check_free(out)
    tuned = loaded(model, runs)
    asked = list(_of_texts(tuned.task, texts, model))
    predictions = _of_lines(tuned) if file == "-" else _answered(tuned, asked, "--text") if texts else tuned.stream(file, show.say)
    if out is not None:
        number = write(predictions, Path(out))
        show.document({"predictions": number, "file": out}) if as_json else show.say(f"{number:,} predictions in {out}")
    elif as_json:
        show.document(list(predictions))
    elif texts:
        _show([_to_read(tuned.task, row, prediction) for (_, row), prediction in zip(asked, predictions, strict=True)], texts)
    else:
        for prediction in predictions:
            print(show.line(prediction))


@click.command("eval")
@model_argument
@click.option(
    "--data",
    "files",
    multiple=True,
    metavar="FILE",
    help="Rows with the truth: a data file, or sample:name/test; may be given again. When absent all rows that the run was judged on.",
)
@labels_options
@task_option
@show.runs_option
@show.json_option
def evaluate(model: str, files: tuple[str, ...], loaded: Load, runs: str, as_json: bool) -> None:
    """Judge a run, or any tuned model, on one or several data sets.

    With --as, a model is judged on a task that its files do not tell; with --labels, one that was never tuned for them.
    """
    from tunesmith.auditing import own_rows, told, trained_on

    tuned = loaded(model, runs)
    judged = {file: tuned.examples(file, truth=True) for file in files} or own_rows(model, runs)
    found = {name: tuned.scores(examples) for name, examples in judged.items()}
    seen = {name: trained_on(model, runs, examples) for name, examples in judged.items()}
    primary = tuned.task.primary
    if as_json:
        about = {name: {"rows": len(examples), "trained_on": seen[name], "primary": primary} for name, examples in judged.items()}
        documents = [{"model": model, "data": name, **about[name], "scores": scores} for name, scores in found.items()]
        show.document(documents[0] if len(files) == 1 else documents)
        return
    for name, number in seen.items():
        if number:
            show.say(told(number, len(judged[name])) if len(judged) == 1 else f"{name}: {told(number, len(judged[name]))}")
    known = dict.fromkeys(name for scores in found.values() for name, value in scores.items() if isinstance(value, int | float))
    head = ["", *found] if len(found) > 1 else []
    show.rows(
        [(name, *(_score(scores.get(name)) for scores in found.values())) for name in sorted(known, key=lambda name: name != primary)], head
    )


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


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


def _of_texts(task: Task, texts: Sequence[str], model: str) -> Iterator[Asked]:
    """The row that each text asks. Raises ``InputError`` where a text is not enough, with a command that gives more."""
    from tunesmith.data.asking import row_of

    remedy = f"Give a JSON line: echo '{{}}' | tunesmith predict {shlex.quote(model)} -"
    for number, text in enumerate(texts, 1):
        yield number, row_of(text, task, remedy)


def _of_lines(tuned: Tuned) -> Iterator[Prediction]:
    """Predictions for the lines of standard input, as many at a time as for a file; empty ones are passed over and counted."""
    from tunesmith.data.asking import passed_over
    from tunesmith.tuned import CHUNK

    if sys.stdin.isatty():
        show.say(LINES)
    empty: list[int] = []
    rows = _rows(_filled(sys.stdin.buffer, empty), tuned.task)
    while asked := list(islice(rows, CHUNK)):
        yield from _answered(tuned, asked, "-")
    if empty:
        show.say(passed_over(empty))


def _filled(file: Iterable[bytes], empty: list[int]) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers; those of empty ones go to ``empty``. Raises ``InputError`` for one that is no UTF-8."""
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(Problem(f"byte 0x{line[error.start]:02x} is not UTF-8", "Give UTF-8", "-", number, error.start + 1)) from error
        if text.strip():
            yield number, text
        else:
            empty.append(number)


def _rows(lines: Iterable[tuple[int, str]], task: Task) -> Iterator[Asked]:
    """The row of each line: a JSON object where the first line is one, else what the text asks. Raises ``InputError`` with the place."""
    from tunesmith.data.asking import row_of

    objects: bool | None = None
    for number, text in lines:
        found = _object(text) if objects is not False else None
        objects = found is not None if objects is None else objects
        if objects and found is None:
            raise InputError(Problem("this is no JSON object, and the first line is one", "Write one in each line", "-", number))
        try:
            yield number, row_of(text, task, "Give JSON lines such as {}") if found is None else found
        except InputError as error:
            raise InputError(*(replace(problem, file="-", line=number) for problem in error.problems)) from None


def _object(text: str) -> Row | None:
    """The JSON object that a text is, if it is one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _answered(tuned: Tuned, asked: Sequence[Asked], place: str) -> Iterator[Prediction]:
    """The predictions for rows. Raises ``InputError`` with the number of each that cannot be used, in ``place``."""
    from tunesmith.data.source import HERE

    try:
        yield from tuned.stream([row for _, row in asked])
    except InputError as error:
        numbers = [0, *(number for number, _ in asked)]
        told = (replace(p, file=place, line=numbers[p.line]) if p.file == HERE else p for p in error.problems)
        raise InputError(*told) from None


def _to_read(task: Task, row: Row, prediction: Prediction) -> tuple[str, str]:
    """A prediction for people: the answer, and how sure it is where that is known."""
    shown = task.shown(task.asked(task.read(row)), prediction)
    return _written(shown["predicted"]) or "(nothing)", f"{shown['confidence']:.1%}" if "confidence" in shown else ""


def _written(answer: Any) -> str:
    """An answer in words: a number, several labels, or a vector, of which a terminal shows the beginning."""
    if isinstance(answer, float):
        return f"{answer:.4g}"
    if not isinstance(answer, list):
        return str(answer)
    most = FIRST if sys.stdout.isatty() and any(isinstance(value, float) for value in answer) else len(answer)
    more = [f"... ({len(answer):,} numbers)"] if len(answer) > most else []
    return ", ".join([*map(_written, answer[:most]), *more]) or "none"


def _show(answers: Sequence[tuple[str, str]], texts: Sequence[str]) -> None:
    """Answers beside their texts, or below them where one is long or has several lines."""
    if all("\n" not in answer and show.display_width(answer) <= show.width() // 2 for answer, _ in answers):
        show.rows([(*answer, text) for answer, text in zip(answers, texts, strict=True)])
        return
    for (answer, sure), text in zip(answers, texts, strict=True):
        print("\n  ".join([text, *answer.splitlines(), *([sure] if sure else [])]))


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
