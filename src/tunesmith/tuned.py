"""A tuned model in use: ``tunesmith.load(run).predict(texts)``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.label_task import PROBLEM
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.data.encode import encode
from tunesmith.data.examples import Examples, read_examples
from tunesmith.engine.precision import choose, device
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.model.files import read_json
from tunesmith.model.sources import ModelSource, resolve
from tunesmith.recipes.recipe import read_recipe
from tunesmith.report import folder as folders
from tunesmith.tasks.text_classification import TextClassification

RESOLVED = folders.RECIPES[1]
CHUNK = 2_000  # rows predicted at a time: a large file takes little memory
CLASSIFIER = "ForSequenceClassification"  # how transformers ends the names of text classifiers
LONGEST = 512  # tokens of a text, where the model does not say less


@dataclass(frozen=True)
class Tuned:
    """A model with the task that it was tuned for.

    ``columns``  the header of each role in the training file; a file without these headers is read by the names that the task knows
    ``labels``   names for values of the label column; ``precision`` the number format that it was judged in
    """

    model: Model
    task: Task
    columns: dict[str, str]
    labels: dict[str, str]
    precision: str = "auto"

    def predict(self, rows: Any) -> list[Prediction]:
        """A prediction for each row, in their order.

        ``rows`` is a list of texts, a list of dictionaries, a data file, or whatever ``data.train`` of a recipe can be. Raises
        ``InputError`` with every row that cannot be used.
        """
        return list(self.stream(rows))

    def stream(self, rows: Any) -> Iterator[Prediction]:
        """The predictions of ``predict``, as they are made: all rows are checked before the first."""
        examples, forward = self.examples(rows, truth=False), self.forward()
        for start in range(0, len(examples), CHUNK):
            yield from self.predictions([self.task.asked(row) for row in examples[start : start + CHUNK]], forward)

    def evaluate(self, rows: Any) -> dict[str, Any]:
        """The task's metrics on rows with the truth."""
        examples = self.examples(rows, truth=True)
        return self.task.metrics(self.predictions(examples, self.forward()), list(examples))

    def examples(self, rows: Any, truth: bool) -> Examples:
        """Rows as ``Task.read`` returns them, with their truth where that must be there."""
        try:
            return read_examples(rows, self.task, self.columns, self.labels, truth)[0]
        except InputError as error:
            try:
                return read_examples(rows, self.task, None, self.labels, truth)[0]
            except InputError as by_name:  # of the two errors, the one that got further
                found_columns = any(problem.line for problem in by_name.problems)
                raise (by_name if found_columns else error) from None

    def predictions(self, examples: Sequence[Row], forward: Forward) -> list[Prediction]:
        """The predictions for rows that ``examples`` returned."""
        return predict(forward, encode(examples, self.task, self.model.tokenizer), self.task, self.model.tokenizer)

    def forward(self) -> Forward:
        """The model on the device that is there, in the precision that it was trained in."""
        where = device()
        trained_here = self.precision != "float16" or where.type == "cuda"
        return Forward(self.model.module.to(where).eval(), where, choose(self.precision if trained_here else "auto", where))


def load(which: str | Path, runs: str | Path = "runs") -> Tuned:
    """The tuned model of a run (its folder, its name in ``runs``, or ``last``), or a classifier in a folder, a sample or the hub.

    Raises ``InputError`` for a run that is not finished, and for a model without a head that can answer.
    """
    if is_model(str(which), Path(runs)):
        return _classifier(str(which))
    folder = finished_run(which, runs)
    last = max((place.parent for place in folder.glob(f"*-*/{RESOLVED}")), default=folder)  # of several stages, the last answers
    recipe = read_recipe(last / RESOLVED, ["strategies=[]"])  # they may be code of the user's own, and have done their work
    torch.manual_seed(0)
    model = build_for(recipe.task, str(folder / "model"))
    return Tuned(model, recipe.task, recipe.data.columns, recipe.data.labels, recipe.training.precision)


def finished_run(which: str | Path, runs: str | Path) -> Path:
    """The folder of a run. Raises ``InputError`` where there is none, and for one that is not finished."""
    folder = folders.find(Path(runs), str(which))
    if not (folder / "scores.json").exists():
        raise InputError(Problem("the run is not finished", folders.resuming(folder), str(folder)))
    return folder


def is_model(which: str, runs: Path) -> bool:
    """Whether a model is meant and no run: a folder without a recipe, ``sample:name``, ``package:module/path`` or ``org/name``."""
    path = Path(which).expanduser()
    folder = next((place for place in (runs / which, path) if place.is_dir()), None)
    if folder is not None:
        return not any((folder / recipe).exists() for recipe in folders.RECIPES)
    return ":" in which or path.suffix == ".gguf" or (which.count("/") == 1 and not path.parent.is_dir())


def _classifier(spec: str) -> Tuned:
    """A text classifier that was tuned elsewhere: its labels are those of its configuration."""
    source = resolve(spec)
    task = _task_of(source)
    model = build_for(task, spec)
    if model.fresh:
        raise _no_head(source)
    # rows may name a label by its number, or in other letters
    names = {str(number): label for number, label in enumerate(task.labels)} | {label.lower(): label for label in task.labels}
    return Tuned(model, task, {}, {other: label for other, label in names.items() if other not in task.labels})


def _task_of(source: ModelSource) -> TextClassification:
    if source.adapter:
        raise InputError(Problem("an adapter does not name its labels", "Name the run that it comes from", source.spec))
    if source.gguf:
        raise _no_head(source)
    config = read_json(source.path / "config.json")
    if not any(name.endswith(CLASSIFIER) for name in config.get("architectures") or ()):
        raise _no_head(source)
    named = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers leaves out
    labels = [str(named[number]) for number in sorted(named, key=int)]
    kinds = {problem: kind for kind, problem in PROBLEM.items()}
    kind = kinds.get(config.get("problem_type") or "", "single" if len(labels) > 1 else "regression")
    return TextClassification(kind=kind, labels=labels, max_length=LONGEST)


def _no_head(source: ModelSource) -> InputError:
    remedy = f"Name a run or a tuned classifier, or tune this one: `tunesmith init --data FILE --model {source.spec}`"
    return InputError(Problem("the model has no head that classifies texts", remedy, source.spec))
