"""A first recipe for a file: which task its columns fit, which column is which, and what to change. It trains as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.words import counted
from tunesmith.model.heads import EXAMPLE, EXAMPLES
from tunesmith.recipes import yaml
from tunesmith.recipes.find import about, find, name_of, names
from tunesmith.recipes.validate import as_plain

if TYPE_CHECKING:
    from tunesmith.core.task import Column, Task
    from tunesmith.data.load import Data
    from tunesmith.data.rows import Rows
    from tunesmith.data.settings import DataSettings

OFFERED = ("augment", "class_balanced", "early_stop", "ema", "freeze", "layer_rates", "lora", "r_drop", "unfreeze")  # the usual ones
USUAL = ("text_classification", "speech_recognition")  # what columns are for that fit other tasks as well
UNUSUAL = ("embedding",)  # what they are not for: a question and its answer
PROVENANCE = ("source", "origin", "dataset", "subset", "corpus", "domain", "website", "publisher")  # columns beside long texts
LONG = 1000  # characters from which texts, on average, are documents: what says where they come from is no label of theirs
TRIED = 50  # rows that a task must be able to read
LOOKED_AT = 2000  # rows, spread over the file
TEST_FROM = 1000  # rows from which a tenth is worth holding out as a test
_PLAIN = re.compile(r"[\w./%:-]+")

Guess = tuple["Task", dict[str, str]]


@dataclass(frozen=True)
class Looked:
    """What a first look at rows found: the task that fits them, what the recipe says of them, and the rows as training reads them."""

    task: Task
    settings: DataSettings
    data: Data
    rows: int


def look(spec: str, base: Path | None = None, task: str = "") -> Looked:
    """Look at the rows that ``spec`` names; ``base`` is where relative paths start. ``task`` is found when it is not said.

    The data are read as training reads them, so that what stands in the way of a run is known now: bad rows are skipped by the recipe.
    Raises ``InputError`` where no task fits the columns.
    """
    from tunesmith.data.load import load
    from tunesmith.data.settings import DataSettings
    from tunesmith.data.source import beside, read

    rows, _ = read(spec, skip_bad=True, base=base)
    found, columns = _guess(rows, spec, base, [task] if task else names("tasks"))
    shares = {"validation": "10%", "test": "10%" if len(rows) >= TEST_FROM else None}
    splits = {split: "auto" if beside(spec, split, base) else share for split, share in shares.items()}
    settings = DataSettings(train=spec, validation=splits["validation"], test=splits["test"], columns=columns, on_bad_row="skip")
    return Looked(found, settings, load(settings, found, 0, base), len(rows))


def suggest(spec: str, model: str | None = None, base: Path | None = None) -> str:
    """A recipe in YAML, with comments, for the rows that ``spec`` names; ``base`` is where relative paths start.

    Raises ``InputError`` where no task fits the columns.
    """
    found = look(spec, base)
    task, data = found.task, found.data
    lines = [
        *heading(found),
        "# Then: tunesmith check FILE (the data, time and memory), tunesmith explain FILE (what happens when), tunesmith train FILE.",
        "",
        f"model: {word(model or EXAMPLES.get(task.head().auto, EXAMPLE)[0])}",
        *([] if model or task.head().auto in EXAMPLES else _other_models(data)),
        *_task_lines(task, model or "", base or Path()),
        "",
        *data_lines(found),
        "",
        *_strategy_lines(),
        "",
        *_training_lines(),
        "",
        "seed: 0",
    ]
    return "\n".join(lines) + "\n"


def _guess(rows: Rows, spec: str, base: Path | None, known: Sequence[str]) -> Guess:
    """The task that can read the rows and finds the most of its columns, by their names above all; and the header of each of its roles."""
    looked_at = rows.select(_spread(len(rows)))
    fitting: list[tuple[tuple[int, bool, bool, bool, int, bool], Guess]] = []
    for name in known:
        task: Task = find("tasks", name)()
        columns = _columns(task.columns(), looked_at)
        if columns and _reads(task, columns, looked_at, base):
            named, found = len(_named(task.columns(), looked_at)), [c for c in task.columns() if c.role in columns]
            files, answers = any(column.file for column in found), any(column.truth for column in found)
            fitting.append(((named, files, name in USUAL, answers, len(columns), name not in UNUSUAL), (find("tasks", name)(), columns)))
    if not fitting:
        remedy = f"A task needs texts and an answer for each; the columns are {', '.join(rows.columns)}"
        message = f"Task {known[0]} does not fit these columns" if len(known) == 1 else "No task fits these columns"
        raise InputError(Problem(message, remedy, spec))
    return max(fitting, key=lambda fit: fit[0])[1]


def _reads(task: Task, columns: dict[str, str], rows: Rows, base: Path | None) -> bool:
    """Whether a task can learn from the rows, and read most of some of them."""
    import numpy as np

    from tunesmith.data.examples import checked, located, parted

    whole = [row for row in range(len(rows)) if all(rows[row][header] is not None for header in columns.values())][:TRIED]
    if not whole:
        return False
    with suppress(InputError, AttributeError, KeyError, TypeError, ValueError):  # whatever it stumbles over, it does not read
        some = located(parted(rows.select(np.array(whole)).renamed(columns), task), task, base or Path())
        task.learn(some)
        return len(checked(some, task, columns)[1]) < len(whole) / 2
    return False


def _columns(columns: Sequence[Column], rows: Rows) -> dict[str, str] | None:
    """The header of each role: by name where there is one, else by what the values look like. None where one stays open."""
    found = _named(columns, rows)
    for column in columns:
        if column.role in found or not column.required:
            continue
        if column.file:
            return None
        free = [header for header in rows.columns if header not in found.values()]
        if column.truth and any(_textual(rows.column(header)) >= LONG for header in found.values()):
            free = [header for header in free if header.lower() not in PROVENANCE]
        marks = {header: _MARKS[column.truth](rows.column(header)) for header in free}
        best = max(marks, key=lambda header: marks[header], default=None)
        if best is None or marks[best] <= 0:
            return None
        found[column.role] = best
    return {column.role: found[column.role] for column in columns if column.role in found}


def _named(columns: Sequence[Column], rows: Rows) -> dict[str, str]:
    """The header of each role that has one of its names."""
    from tunesmith.data.columns import find as find_columns

    return find_columns([replace(column, required=False) for column in columns], rows.columns)


def _textual(values: Sequence[Any]) -> float:
    """How much a column looks like texts to be read: its mean length in characters, 0 where most values are no text or one word."""
    texts = [value for value in values if isinstance(value, str) and (len(value.split()) > 1 or not value.isascii())]
    return sum(map(len, texts)) / len(values) if len(texts) > len(values) / 2 else 0.0


def _labelled(values: Sequence[Any]) -> float:
    """How much a column looks like answers: lists, few different values, or numbers with fractions; 0 for names and texts."""
    present = [value for value in values if value is not None]
    distinct = len(set(map(repr, present)))
    if not present or distinct < 2:
        return 0.0
    if any(isinstance(value, list) for value in present):
        return 0.9
    if distinct <= max(2, len(present) / 5):
        return 1.0 - distinct / len(present)
    return 0.1 if all(isinstance(value, float) for value in present) else 0.0


_MARKS = {False: _textual, True: _labelled}  # by whether the column holds the truth


def heading(found: Looked) -> Iterator[str]:
    """Comments that say what the task finds in the rows."""
    learned = {key: value for key, value in as_plain(found.task, changed_only=True).items() if value}
    yield f"# {counted(found.rows, 'row')}; {name_of(found.task)} finds in them"
    yield from (f"#   {key}: {_brief(value)}" for key, value in learned.items())


def data_lines(found: Looked) -> Iterator[str]:
    """The data part of a recipe."""
    settings, data = found.settings, found.data
    why = {"auto": "the file beside train", None: "or a share like 10%, or a file; without it validation is judged"}
    yield "data:"
    yield f"  train: {word(settings.train)}"
    for split, share in (("validation", settings.validation), ("test", settings.test)):
        yield _commented(f"  {split}: {share or 'null'}", why.get(share, "held out of train by a hash of the text, or a file"))
    yield f"  columns: {{{', '.join(f'{role}: {word(header)}' for role, header in settings.columns.items())}}}"
    if data.skipped:
        yield _commented("  on_bad_row: skip", f"rows of no use: {len(data.skipped):,}; the first: {_brief(str(data.skipped[0]))}")


def _task_lines(task: Task, model: str, base: Path) -> Iterator[str]:
    """The task; for a model of many languages with two of them, to be changed: the rows do not say how it calls theirs."""
    from tunesmith.model.translation import two_of_many

    if "languages" in task.settings() and (two := two_of_many(model, base)):
        yield "task:"
        yield f"  {name_of(task)}:"
        yield _commented(f"    languages: {two}", "change them: that of the source, and that of the target, in the model's own names")
    else:
        yield f"task: {name_of(task)}"


def _strategy_lines() -> Iterator[str]:
    """The choice is left to the rules; the usual strategies with their first setting stand below it as comments."""
    yield _commented("strategies: auto", "chosen from rows, labels and model, with rate and length: tunesmith explain FILE says why")
    yield "# strategies:  # or your own: they compose, the first is the outermost; all there are: tunesmith list strategies"
    for name in OFFERED:
        kind = find("strategies", name)
        first = fields(kind)[0].name
        value = as_plain(kind())[first] or as_plain(kind.example())[first]
        clause = re.split(r"[,;:.](?: |$)", about("strategies", name))[0]
        yield _commented(f"#   - {name}: {{{first}: {word(value)}}}", clause)


def _training_lines() -> Iterator[str]:
    yield "training:"
    yield _commented("  batch_size: 16", "rows per update, whatever the memory")
    yield _commented("  # epochs: 4", "passes over the training rows; what is not said here is chosen, too")
    yield _commented("  # learning_rate: 5e-5", "the highest rate")


def _other_models(data: Data) -> Iterator[str]:
    texts = " ".join(str(value) for index in _spread(len(data.train))[:200] for value in data.train.raw(int(index)).values())
    letters = [letter for letter in texts if letter.isalpha()]
    if sum(letter > "\u024f" for letter in letters) > 0.1 * len(letters):
        yield "# The texts are not in Latin letters: a model of their language will do better, where the hub can be reached:"
        yield "# model: FacebookAI/xlm-roberta-base"
    else:
        yield "# Any folder or hub id does: a larger model is better and slower, answerdotai/ModernBERT-base for example."


def _spread(rows: int) -> Any:
    import numpy as np

    return np.unique(np.linspace(0, rows - 1, min(rows, LOOKED_AT)).astype(int))


def _commented(line: str, comment: str) -> str:
    return f"{line:<38}  # {comment}"


def word(value: Any) -> str:
    """A value as it is written in a line of YAML, in quotes where it needs them."""
    if isinstance(value, str) and not (_PLAIN.fullmatch(value) and yaml.parse(value, "")[0] == value):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _brief(value: Any) -> str:
    text = " ".join((", ".join(map(str, value)) if isinstance(value, list) else str(value)).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
