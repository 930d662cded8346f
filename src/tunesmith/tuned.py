"""A tuned model in use: ``tunesmith.load(run).predict(texts)``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Forward, Prediction, Task
from tunesmith.data.encode import encode
from tunesmith.data.examples import read_examples
from tunesmith.engine.precision import choose, device
from tunesmith.engine.state import forward_of
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build
from tunesmith.recipes.recipe import read_recipe
from tunesmith.report import folder as folders

RESOLVED = folders.RECIPES[1]


@dataclass(frozen=True)
class Tuned:
    """A model with the task that it was tuned for."""

    model: Model
    task: Task
    columns: dict[str, str]
    labels: dict[str, str]

    def predict(self, rows: Any) -> list[Prediction]:
        """A prediction for each row, in their order.

        ``rows`` is a list of texts, a list of dictionaries, a data file, or whatever ``data.train`` of a recipe can be. Raises
        ``InputError`` with every row that cannot be used.
        """
        examples, _ = read_examples(rows, self.task, self._columns(rows), truth=False)
        return predict(self._forward(), encode(examples, self.task, self.model.tokenizer), self.task, self.model.tokenizer)

    def evaluate(self, rows: Any) -> dict[str, Any]:
        """The task's metrics on rows with the truth."""
        examples, _ = read_examples(rows, self.task, self._columns(rows), self.labels)
        encoded = encode(examples, self.task, self.model.tokenizer)
        predictions = predict(self._forward(), encoded, self.task, self.model.tokenizer)
        return self.task.metrics(predictions, list(examples))

    def _columns(self, rows: Any) -> dict[str, str] | None:
        """The columns of the training file; texts alone have none."""
        return None if isinstance(rows, list) else self.columns

    def _forward(self) -> Forward:
        where = device()
        return forward_of(self.model.module.to(where).eval(), where, choose("auto", where))


def load(which: str | Path, runs: str | Path = "runs") -> Tuned:
    """The tuned model of a run: its folder, its name in ``runs``, or ``last``. Raises ``InputError`` for a run that is not finished."""
    folder = folders.find(Path(runs), str(which))
    if not (folder / RESOLVED).exists():
        raise InputError(Problem("this run is not finished", f"Go on with it: tunesmith resume {folder}", str(folder)))
    recipe = read_recipe(folder / RESOLVED)
    torch.manual_seed(0)
    model = build(str(folder / "model"), recipe.task.head())
    return Tuned(model, recipe.task, recipe.data.columns, recipe.data.labels)
